// The same request from a terminal, and from Python.

import { address, apiKey } from "./server.js";

const MEDIA_TYPES = {
  png: "image/png",
  webp: "image/webp",
  jpeg: "image/jpeg",
  wav: "audio/wav",
  flac: "audio/flac",
  ogg: "audio/ogg",
};

/** What of a request goes over HTTP. */
function plain(body) {
  const { preview_ms: _, ...rest } = body;
  return rest;
}

function fileOf(body, media) {
  const format = body.format ?? media.formats[0];
  const name = [body.label ?? body.model, body.seed].join("-").replace(/[^\p{L}\p{N}.-]+/gu, "-");
  return { name, format, type: MEDIA_TYPES[format] };
}

/** What a file of a sample is called, without its suffix. */
export function fileName(body, sample, codes) {
  const index = sample.index > 0 ? [sample.index] : [];
  const words = [body.label ?? body.model, body.seed, ...index, `${codes}-codes`];
  return words.join("-").replace(/[^\p{L}\p{N}.-]+/gu, "-");
}

/** A curl command for bash and other shells like it. */
export function curl(body, media) {
  const { name, format, type } = fileOf(body, media);
  const several = (body.n ?? 1) > 1;
  const lines = [`curl -sS ${quoted(String(address("v1/generate")))}`, "-H 'Content-Type: application/json'"];
  if (!several) lines.push(`-H 'Accept: ${type}'`);
  if (apiKey() !== null) lines.push('-H "Authorization: Bearer $ANYTIME_API_KEY"');
  lines.push(
    `-d ${quoted(JSON.stringify(plain(body)))}`,
    `-o ${quoted(several ? `${name}.json` : `${name}.${format}`)}`,
  );
  return lines.join(" \\\n     ");
}

/** Lines of Python that write the samples to files. */
export function python(body, media) {
  const { name, format, type } = fileOf(body, media);
  const several = (body.n ?? 1) > 1;
  const key = apiKey() !== null;
  const lines = [
    `import ${[several && "base64", key && "os", "httpx"].filter(Boolean).join(", ")}`,
    "",
    "response = httpx.post(",
    `    ${JSON.stringify(String(address("v1/generate")))},`,
    `    json={${Object.entries(plain(body)).map(literal).join(", ")}},`,
  ];
  const headers = several ? [] : [`"Accept": "${type}"`];
  if (key) headers.push('"Authorization": f"Bearer {os.environ[\'ANYTIME_API_KEY\']}"');
  if (headers.length) lines.push(`    headers={${headers.join(", ")}},`);
  lines.push(`    timeout=${Math.ceil(body.deadline_ms / 1000) + 10},`, ")", "response.raise_for_status()");
  if (several) {
    lines.push(
      'for output in response.json()["outputs"]:',
      `    with open(f"${name}-{output['index']}.${format}", "wb") as file:`,
      '        file.write(base64.b64decode(output["b64"]))',
    );
  } else {
    lines.push(`with open("${name}.${format}", "wb") as file:`, "    file.write(response.content)");
  }
  return lines.join("\n");
}

/** A field as in a Python dict: numbers, strings and lists of numbers are written alike there. */
function literal([name, value]) {
  const written = Array.isArray(value) ? `[${value.join(", ")}]` : JSON.stringify(value);
  return `"${name}": ${written}`;
}

function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

/** Wire up a block of code with its button. Where the clipboard is not to be had, the code is selected instead. */
export function copyable(button, block, said) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      said("Copied.");
    } catch {
      getSelection().selectAllChildren(block);
      said("Selected; copy it with the keyboard.");
    }
  });
}
