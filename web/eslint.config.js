import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

const node = {
  console: "readonly",
  process: "readonly",
  URL: "readonly",
  fetch: "readonly",
  setInterval: "readonly",
  setTimeout: "readonly",
};
// What a function that runs inside the tested page sees.
const page = { document: "readonly", window: "readonly", getComputedStyle: "readonly" };

export default defineConfig([
  { ignores: ["dist/", "src/openapi.ts"] },
  js.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}", "vite.config.ts"],
    extends: [ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    plugins: { "react-hooks": hooks },
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // The policy refuses inline styles and markup made of strings; refuse them here already.
    files: ["src/**/*.tsx"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='style']", message: "Use a class: no inline styles." },
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Use elements." },
      ],
    },
  },
  { files: ["*.mjs", "e2e/**/*.mjs"], languageOptions: { globals: { ...node, ...page } } },
  {
    rules: {
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", 70],
      complexity: ["error", 16],
    },
  },
]);
