namespace Osa.Domain.Sources;

/// <summary>Where a pull stands.</summary>
public enum PullStatus
{
    /// <summary>Nobody has begun with it.</summary>
    Pending,
    Running,

    /// <summary>Everything that upstream offered is taken and judged.</summary>
    Completed,
    Failed,
    Cancelled,
}

/// <summary>Why a pull was begun.</summary>
public enum PullCause
{
    Schedule,

    /// <summary>By the registration of its convention.</summary>
    Initial,

    /// <summary>By somebody.</summary>
    Hand,
}
