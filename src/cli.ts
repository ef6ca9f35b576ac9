#!/usr/bin/env node
import { randomBytes } from 'node:crypto';

const USAGE = `Usage: koa-resilient-session secret

  secret   prints a good secret: 32 random bytes as hex, for SESSION_SECRET_KEY
`;

const [command, ...others] = process.argv.slice(2);
if (command === 'secret' && others.length === 0) {
  process.stdout.write(`${randomBytes(32).toString('hex')}\n`);
} else {
  const asked = command === '--help' || command === '-h';
  (asked ? process.stdout : process.stderr).write(USAGE);
  if (!asked) process.exitCode = 1;
}
