export const page = `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <meta name="viewport" content="width=device-width" />
  <title>Chat</title>
  <style>
    :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
    body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
    #log { list-style: none; padding: 0; }
    form { display: flex; gap: 0.5rem; }
    input { flex: 1; font: inherit; }
  </style>
  <h1>Chat</h1>
  <ul id="log" aria-live="polite"></ul>
  <form>
    <input name="text" aria-label="Message" placeholder="Say something" autocomplete="off" required />
    <button>Send</button>
  </form>
  <script type="module">
    const name = prompt("Your name?") || "somebody";
    const url = new URL("/chat", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("name", name);
    const socket = new WebSocket(url);
    const say = (text) => {
      const line = document.createElement("li");
      line.textContent = text;
      document.querySelector("#log").append(line);
    };
    socket.onmessage = (event) => say(event.data);
    socket.onclose = () => say("The connection is closed.");
    document.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      socket.send(event.target.text.value);
      event.target.reset();
    };
  </script>
</html>
`;
