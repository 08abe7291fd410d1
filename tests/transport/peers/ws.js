// The reference client against a server: node ws.js <url>
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const client = createClient({
  url: process.argv[2],
  webSocketImpl: WebSocket,
  connectionParams: { authorization: 'Bearer alice' },
  retryAttempts: 0,
  lazy: true,
});

function results(query, variables, take = Infinity) {
  return new Promise((resolve) => {
    const received = [];
    const stop = client.subscribe(
      { query, variables },
      {
        next: (result) => {
          if (received.length < take) received.push(result);
          if (received.length === take) stop();
        },
        error: (errors) => resolve({ received, errors: errors.map((error) => error.message) }),
        complete: () => resolve({ received }),
      },
    );
  });
}

const answers = {
  query: await results('query ($name: String!) { hello(name: $name) who }', { name: 'ws' }),
  mutation: await results('mutation { rename(name: "x") }'),
  subscription: await results('subscription { hello }'),
  stopped: await results('subscription { endless }', {}, 2),
  syntax: await results('{'),
  validation: await results('{ nothingLikeIt }'),
  sideBySide: await Promise.all([1, 2, 3].map((to) => results('subscription ($to: Int!) { count(to: $to) { text } }', { to }))),
};
await client.dispose();
console.log(JSON.stringify(answers));
