#!/usr/bin/env node
require('./load.js').run(process.argv.slice(2));
