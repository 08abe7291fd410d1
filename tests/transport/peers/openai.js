// OpenAI's own client against our address: what its users see.
import OpenAI from 'openai'

const [baseURL, apiKey] = process.argv.slice(2)
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
const messages = [{ role: 'user', content: 'Hi' }]
const tools = [{ type: 'function', function: { name: 'clock', parameters: { type: 'object', properties: {} } } }]

async function failure(ask) {
  try {
    await ask()
    return null
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param }
  }
}

async function streamed(request) {
  const chunks = []
  for await (const chunk of await client.chat.completions.create({ messages, stream: true, ...request })) chunks.push(chunk)
  return {
    text: chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join(''),
    reason: chunks.at(-1).choices[0].finish_reason,
    usage: chunks.at(-1).usage,
  }
}

const models = []
for await (const model of client.models.list()) models.push(model.id)
const plain = await client.chat.completions.create({ model: 'test-model', messages })
const called = client.chat.completions.stream({ model: 'test-model', messages, tools })

console.log(
  JSON.stringify({
    models,
    plain: { text: plain.choices[0].message.content, usage: plain.usage },
    stream: await streamed({ model: 'test-model' }),
    calls: (await called.finalChatCompletion()).choices[0].message.tool_calls.map((call) => call.function),
    unknownModel: await failure(() => client.chat.completions.create({ model: 'nobody', messages })),
    unknownKey: await failure(() =>
      new OpenAI({ baseURL, apiKey: 'sk-wrong', maxRetries: 0 }).chat.completions.create({ model: 'test-model', messages }),
    ),
    broken: await failure(() => streamed({ model: 'test-model' })),
  }),
)
