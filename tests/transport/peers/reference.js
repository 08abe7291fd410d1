// The reference server of graphql-transport-ws with the scripted source of bench/transport.py: node reference.js
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const int = { type: new GraphQLNonNull(GraphQLInt) };
const Token = new GraphQLObjectType({
  name: 'Token',
  fields: { sequence: int, text: { type: new GraphQLNonNull(GraphQLString) } },
});

async function* tokens(_root, { count, pauseMs }) {
  for (let sequence = 1; sequence <= count; sequence++) {
    if (pauseMs && sequence > 1) await sleep(pauseMs);
    yield { tokens: { sequence, text: ` word${sequence}` } };
  }
}

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString, resolve: () => 'world' } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      tokens: { type: new GraphQLNonNull(Token), args: { count: int, pauseMs: int }, subscribe: tokens },
    },
  }),
});

const server = createServer();
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
