// The documentation site. Everything that its pages need is built into dist: no fonts, scripts or pictures of others.
import starlight from "@astrojs/starlight";
import { defineConfig, passthroughImageService } from "astro/config";

export default defineConfig({
  image: { service: passthroughImageService() },
  devToolbar: { enabled: false },
  integrations: [
    starlight({
      title: "nano-trio",
      description: "Many isolated JavaScript apps in one Python process",
      customCss: ["./src/styles/site.css", "./src/styles/plots.css"],
      credits: false,
      // Long lines are wrapped: what is hidden at the right is not read.
      expressiveCode: { defaultProps: { wrap: true }, shiki: { langAlias: { caddyfile: "nginx" } } },
      sidebar: [
        {
          label: "Start here",
          items: ["index", "getting-started", "guides/chat"],
        },
        {
          label: "Guides",
          items: [
            "guides/websockets",
            "guides/testing",
            "guides/typescript",
            "guides/npm",
            "guides/repl",
            "guides/deployment",
            "guides/operations",
          ],
        },
        {
          label: "Reference",
          items: [
            "reference/configuration",
            "reference/command-line",
            "reference/web-apis",
            "reference/failures",
            "reference/workers",
          ],
        },
        {
          label: "About",
          items: ["about/architecture", "about/benchmarks"],
        },
      ],
    }),
  ],
});
