#!/usr/bin/env node
// CommonJS, as package.json beside it says: a module that is imported takes 3 ms to begin with.
const { main } = require('../dist/bundle/_start.cjs');

main(process.argv.slice(2));
