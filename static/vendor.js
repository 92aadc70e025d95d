// Copies what the page imports from node_modules into static/vendor/, with its licences and a list of what came from where.
// Run by `npm run vendor`, after `npm ci`. The page itself never loads this file.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

const MODULES = [
  { name: "htm", file: "dist/htm.module.js", as: "htm.js", types: 'export { default } from "htm";' },
  { name: "preact", file: "dist/preact.mjs", as: "preact.js", types: 'export * from "preact";' },
  { name: "preact", file: "hooks/dist/hooks.mjs", as: "preact-hooks.js", types: 'export * from "preact/hooks";' },
];
const packages = new URL("../node_modules/", import.meta.url);
const vendor = new URL("./vendor/", import.meta.url);

/** Bare imports need an import map, which `script-src 'self'` forbids inline: they become relative paths. */
function withRelativeImports(/** @type {string} */ source) {
  return source.replace(/from\s*"preact"/g, 'from "./preact.js"').replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
}

async function copy(/** @type {typeof MODULES[number]} */ { name, file, as, types }) {
  const source = withRelativeImports(await readFile(new URL(`${name}/${file}`, packages), "utf8"));
  await writeFile(new URL(as, vendor), source);
  await writeFile(new URL(as.replace(/js$/, "d.ts"), vendor), `${types}\n`);
  await writeFile(new URL(`${name}.LICENSE`, vendor), await readFile(new URL(`${name}/LICENSE`, packages)));
  const { version, license } = JSON.parse(await readFile(new URL(`${name}/package.json`, packages), "utf8"));
  return { file: as, package: name, version, license, sha256: createHash("sha256").update(source).digest("hex") };
}

await rm(vendor, { recursive: true, force: true });
await mkdir(vendor, { recursive: true });
const list = await Promise.all(MODULES.map(copy));
await writeFile(new URL("versions.json", vendor), `${JSON.stringify(list, null, 2)}\n`);
for (const { file, package: name, version, license } of list) console.log(`static/vendor/${file}: ${name} ${version}, ${license}`);
