// The parts of a multipart answer as meros reads them: node parts.js <url> <accept> <query>
import { meros } from 'meros/browser';

const [url, accept, query] = process.argv.slice(2);
const response = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept },
  body: JSON.stringify({ query }),
});
const parts = [];
for await (const part of await meros(response)) parts.push({ json: part.json, body: part.body });
console.log(JSON.stringify({ contentType: response.headers.get('content-type'), parts }));
