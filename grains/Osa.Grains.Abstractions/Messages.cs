using Osa.Domain.Errors;


namespace Osa.Grains;

/// <summary>How <see cref="OsaException"/> crosses silos: with its code and every violation.</summary>
[GenerateSerializer]
[Alias("osa.exception")]
public struct OsaExceptionSurrogate
{
    [Id(0)]
    public int Code { get; set; }

    [Id(1)]
    public string Message { get; set; }

    [Id(2)]
    public string[] Violations { get; set; }
}

[RegisterConverter]
public sealed class OsaExceptionConverter : IConverter<OsaException, OsaExceptionSurrogate>
{
    public OsaException ConvertFromSurrogate(in OsaExceptionSurrogate surrogate) => new(
        (ErrorCode)surrogate.Code, surrogate.Message, [.. surrogate.Violations.Chunk(3).Select(v => new Violation(v[0], v[1], v[2]))]);

    public OsaExceptionSurrogate ConvertToSurrogate(in OsaException value) => new()
    {
        Code = (int)value.Code,
        Message = value.Message,
        Violations = [.. value.Violations.SelectMany(v => new[] { v.Field, v.Rule, v.Message })],
    };
}
