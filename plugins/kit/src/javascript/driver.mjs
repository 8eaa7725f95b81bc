// Bundles a plugin and makes it a component, in one run of node.
// Takes a JSON of options; answers with a JSON on standard output, whatever happens.
import { createHash } from "node:crypto";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { tools, pinned, dir, source, exports, prelude, wit, world, kept, color } = JSON.parse(process.argv[2]);
const require = createRequire(`${tools}/`);
const { build, formatMessages } = require("esbuild");
const { componentize } = require("componentize-qjs");

// The component's exports stand here by name, so that a plugin that lacks one fails now.
const entry = `import "hookgate-prelude";
import * as module from ${JSON.stringify(source)};
const plugin = module.default;
const given = plugin !== null && typeof plugin === "object" ? Object.keys(plugin).sort().join(", ") : "";
const declared = ${JSON.stringify([...exports].sort().join(", "))};
if (given !== declared) {
  throw new Error(given === ""
    ? "the source has no export default plugin({ … })"
    : "plugin.toml says that it exports " + declared + ", and the source gives " + given + ": make them the same");
}
${exports.map((name) => `export const ${name} = plugin.${name};`).join("\n")}
`;

// Neither file has a place on disk that could reach the component.
const own = {
  name: "hookgate",
  setup(esbuild) {
    esbuild.onResolve({ filter: /^hookgate-(entry|prelude)$/ }, ({ path }) => ({ path, namespace: "hookgate" }));
    esbuild.onLoad({ filter: /.*/, namespace: "hookgate" }, ({ path }) => ({
      contents: path === "hookgate-entry" ? entry : prelude,
      resolveDir: dir,
    }));
  },
};

async function main() {
  let bundle;
  try {
    bundle = await build({
      entryPoints: ["hookgate-entry"],
      absWorkingDir: dir,
      bundle: true,
      write: false,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      target: "es2023",
      charset: "utf8",
      legalComments: "none",
      external: ["hookgate:*"],
      plugins: [own],
      logLevel: "silent",
    });
  } catch (error) {
    const messages = await formatMessages(error.errors ?? [], { kind: "error", color, terminalWidth: 100 });
    return messages.length > 0 ? { compile: messages.join("") } : { failed: String(error.message ?? error) };
  }
  const warnings = await formatMessages(bundle.warnings.filter(isTheirs), { kind: "warning", color, terminalWidth: 100 });
  const jsSource = bundle.outputFiles[0].text;

  // The engine's memory is random in places, so two components of one source differ. Kept by
  // what they are made of, the same source gives the same component at least on this machine.
  const made = createHash("sha256").update(JSON.stringify([pinned, exports, jsSource])).digest("hex");
  const component = `${kept}/${made.slice(0, 32)}.wasm`;
  if (!existsSync(component)) {
    try {
      const options = { witPath: wit, world, jsSource, stubWasi: true, optSize: true, sync: true };
      const built = await componentize(options);
      writeFileSync(`${component}.${process.pid}`, built.component);
      renameSync(`${component}.${process.pid}`, component);
    } catch (error) {
      return { failed: thrown(error), warnings: warnings.join("") };
    }
  }
  return { component, warnings: warnings.join("") };
}

// Of this file's own entry there is nothing to say to the author.
function isTheirs({ location }) {
  return !location?.file.startsWith("hookgate:");
}

// What the source throws while it is loaded, without the layers that carried it here.
function thrown(error) {
  const text = String(error.message ?? error);
  const at = text.lastIndexOf("module evaluation: ");
  const lines = (at < 0 ? text : text.slice(at + "module evaluation: ".length)).trim().split("\n");
  return lines[0].replace(/^Error: /, "");
}

const answer = await main().catch((error) => ({ failed: String(error?.message ?? error) }));
process.stdout.write(JSON.stringify(answer));
