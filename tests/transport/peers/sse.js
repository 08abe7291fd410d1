// The reference client in both of its modes: node sse.js <url>
import { createClient } from 'graphql-sse';

async function ask(options) {
  const client = createClient({ retryAttempts: 0, headers: { authorization: 'Bearer alice' }, ...options });
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
          error: (error) => resolve({ received, error: error.message }),
          complete: () => resolve({ received }),
        },
      );
    });
  }
  const answers = {
    query: await results('query ($name: String!) { hello(name: $name) who }', { name: 'sse' }),
    mutation: await results('mutation { rename(name: "x") }'),
    subscription: await results('subscription { hello }'),
    stopped: await results('subscription { endless }', {}, 2),
    sideBySide: await Promise.all(
      [1, 2, 3].map((to) => results('subscription ($to: Int!) { count(to: $to) { text } }', { to })),
    ),
    syntax: await results('{'),
  };
  client.dispose();
  return answers;
}

const url = process.argv[2];
console.log(
  JSON.stringify({
    distinct: await ask({ url }),
    single: await ask({ url: `${url}/stream`, singleConnection: true }),
  }),
);
