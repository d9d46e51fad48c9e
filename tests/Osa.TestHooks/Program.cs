using System.Text.Json;
using Osa.TestHooks;

// Every hook that the tests need, chosen by /osa/in/config.json: {"do": "reject", "message": "too short"}; without one it does nothing.
if (args is ["eat-memory"])
    Behaviours.EatMemory();
if (args is ["fork-bomb"])
    Behaviours.ForkBomb();

string config = Path.Combine(Behaviours.In, "config.json");
if (!File.Exists(config))
    return 0;
using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(config));
if (document.RootElement.TryGetProperty("source", out JsonElement source))
    return Source.Run(source);
return File.Exists(Batch.Input) ? Batch.Run(document.RootElement) : Behaviours.Run(document.RootElement);
