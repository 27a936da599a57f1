#!/usr/bin/env node
import { main } from '../dist/bundle/_main.js';

await main(process.argv.slice(2), new URL('..', import.meta.url));
