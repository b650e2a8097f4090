// Asks one question with the official client for Node, and prints what came of it:
// node client.mjs <base URL> <blocking | streaming | helper> <question>
import OpenAI from "openai";

const [baseURL, mode, question] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0, timeout: 20_000 });
const body = { model: "gpt-6", messages: [{ role: "user", content: question }] };
const streamed = { ...body, stream: true, stream_options: { include_usage: true } };

function seen(completion) {
  const { message, finish_reason } = completion.choices[0];
  return { id: completion.id, text: message.content, finish: finish_reason, everything: completion };
}

async function inPieces() {
  const result = { text: "", finish: null, everything: [] };
  for await (const chunk of await client.chat.completions.create(streamed)) {
    result.id = chunk.id;
    result.everything.push(chunk);
    for (const { delta, finish_reason } of chunk.choices) {
      result.text += delta.content ?? "";
      result.finish ??= finish_reason;
    }
  }
  return result;
}

const ways = {
  blocking: async () => seen(await client.chat.completions.create(body)),
  streaming: inPieces,
  helper: async () => seen(await client.chat.completions.stream(streamed).finalChatCompletion()),
};

console.log(JSON.stringify(await ways[mode]()));
