// Runs Windmill's own parsers over scripts: standard input is {"<path without .py>": "<source>"}, standard output
// {"<path>": {"signature": {...}, "imports": ["f/core/..."]}}. The parsers are the ones that Windmill's editor and
// command line use, so what is written from this is what Windmill would have written.
import { readFileSync } from "node:fs";

async function load(name) {
  const module = await import(name);
  const wasm = new URL("windmill_parser_wasm_bg.wasm", import.meta.resolve(name));
  module.initSync({ module: readFileSync(wasm) });
  return module;
}

const { parse_python: parseSignature } = await load("windmill-parser-wasm-py");
const { parse_py_relative_imports: parseImports } = await load("windmill-parser-wasm-py-imports");

const sources = JSON.parse(readFileSync(0, "utf8"));
const answer = {};
for (const [path, source] of Object.entries(sources)) {
  try {
    answer[path] = { signature: JSON.parse(parseSignature(source, null)), imports: parseImports(source, path) };
  } catch (error) {
    answer[path] = { error: String(error) };
  }
}
process.stdout.write(JSON.stringify(answer));
