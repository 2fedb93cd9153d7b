"""What apps for Workers have beside their handlers' arguments: cloudflare:workers, process.env, FixedLengthStream."""

from __future__ import annotations

import trio

from .conftest import SiteMaker

ENTRYPOINT = """
  import { WorkerEntrypoint, RpcTarget, env, waitUntil } from "cloudflare:workers";
  const early = [env.GREETING, process.env.GREETING, typeof env.OTHER.fetch];
  class Base extends WorkerEntrypoint {}
  export default class extends Base {
    #calls = 0;
    async fetch(request) {
      this.#calls++;
      await null;
      waitUntil(scheduler.wait(1).then(() => console.log("afterwards")));
      const other = await (await this.env.OTHER.fetch("http://other/")).text();
      return Response.json([...early, this.env === env, Object.isFrozen(env.nested), typeof this.ctx.waitUntil, this.#calls,
        other, new URL(request.url).pathname, process.env.nested, new RpcTarget() instanceof RpcTarget]);
    }
  }
"""


async def test_a_class_that_extends_worker_entrypoint_answers(serve: SiteMaker) -> None:
    apps = {
        "app": {
            "source": ENTRYPOINT,
            "env": {"GREETING": "hi", "nested": {"a": 1}},
            "services": {"OTHER": "other"},
        },
        "other": "import { env } from 'cloudflare:workers'; export default () => new Response(Object.keys(env).join())",
    }
    async with serve(apps) as site:
        for _ in range(2):
            answer = await site.get("app", "/path")
            expected = '["hi","hi","function",true,true,"function",1,"","/path",null,true]'
            assert answer.text == expected
        with trio.fail_after(5):
            while site.logged("app").count("afterwards") < 2:
                await trio.lowlevel.checkpoint()


async def test_there_is_nothing_to_wait_for_outside_of_requests(serve: SiteMaker) -> None:
    source = """
      import { waitUntil } from "cloudflare:workers";
      let told;
      try { waitUntil(1) } catch (error) { told = error.message }
      export default () => new Response(told);
    """
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == (
            "waitUntil() is called outside of a request: there is nothing that could wait."
        )


async def test_an_entrypoint_without_fetch_does_not_load(serve: SiteMaker) -> None:
    source = 'import { WorkerEntrypoint } from "cloudflare:workers"; export default class extends WorkerEntrypoint {}'
    async with serve({"app": source}) as site:
        assert (await site.get("app")).status == 503
        assert "the default export, a WorkerEntrypoint, has no fetch(request)" in site.logged("app")


async def test_a_body_of_fixed_length_has_a_content_length(serve: SiteMaker) -> None:
    source = """export default (request) => {
      const { readable, writable } = new FixedLengthStream(5);
      const writer = writable.getWriter();
      writer.write("hello").then(() => writer.close());
      const headers = new URL(request.url).pathname === "/own" ? { "Content-Length": "5" } : { "x-a": "b" };
      return new Response(readable, { headers });
    };"""
    async with serve({"app": source}) as site:
        for path in ("/", "/own"):
            answer = await site.get("app", path)
            assert (answer.text, answer.headers["content-length"]) == ("hello", "5")
            assert "transfer-encoding" not in answer.headers
