// What is checked of the JavaScript here: that it means what it says; its looks are its authors' business.
import js from "@eslint/js";
import globals from "globals";

const rules = {
  ...js.configs.recommended.rules,
  eqeqeq: "error",
  "no-var": "error",
  "object-shorthand": "error",
  "prefer-const": ["error", { destructuring: "all" }],
  "no-template-curly-in-string": "error",
  "no-useless-rename": "error",
  "no-unused-vars": ["error", { args: "none", caughtErrors: "none", varsIgnorePattern: "^_$" }],
  "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
  // Regular expressions over octets and over markup need both.
  "no-control-regex": "off",
  "no-useless-escape": "off",
};
const worker = {
  ...globals.serviceworker,
  HTMLRewriter: "readonly",
  WebSocketPair: "readonly",
  EventSource: "readonly",
};

export default [
  {
    // Each is one function that the engine's bootstrap calls: all it may use comes as its argument.
    files: ["nano_trio/runtime/js/*.js"],
    ignores: ["nano_trio/runtime/js/node_*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "script" },
    rules,
  },
  {
    // Node's modules, in the app's own realm: each is wrapped (node_modules.py), and may use what that gives.
    files: ["nano_trio/runtime/js/node_*.js"],
    languageOptions: {
      ecmaVersion: 2024,
      sourceType: "commonjs",
      globals: { ...worker, SharedArrayBuffer: "readonly", modules: "readonly", platform: "readonly" },
    },
    rules,
  },
  {
    files: ["examples/**/*.js", "bench/handlers/*.js", "tests/npm/apps/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: worker },
    rules,
  },
  {
    files: ["nano_trio/cli/templates/**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: worker },
    rules,
  },
  {
    files: ["nano_trio/web/**/*.js", "examples/**/public/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    rules,
  },
  {
    files: ["bench/*.js", "bench/adapters/*.mjs"],
    languageOptions: {
      ecmaVersion: 2024,
      sourceType: "module",
      globals: { ...globals.node, Bun: "readonly", Deno: "readonly" },
    },
    rules,
  },
];
