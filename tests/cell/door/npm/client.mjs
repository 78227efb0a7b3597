// Asks for flags as a Node service would: one line of JSON in, one line of JSON out.
import { readFileSync } from 'node:fs';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const { baseUrl, headers, questions } = JSON.parse(readFileSync(0, 'utf8'));
const provider = new OFREPProvider({ baseUrl, headers: Object.entries(headers) });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const ask = {
  boolean: (key, fallback, context) => client.getBooleanDetails(key, fallback, context),
  string: (key, fallback, context) => client.getStringDetails(key, fallback, context),
  number: (key, fallback, context) => client.getNumberDetails(key, fallback, context),
  object: (key, fallback, context) => client.getObjectDetails(key, fallback, context),
};
const answers = [];
for (const { kind, key, fallback, context } of questions) {
  const { value, reason, variant, errorCode, errorMessage, flagMetadata } =
    await ask[kind](key, fallback, context ?? undefined);
  answers.push({ value, reason, variant, errorCode, errorMessage, flagMetadata });
}
console.log(JSON.stringify(answers));
await OpenFeature.close();
