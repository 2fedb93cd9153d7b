// The page of the chat. It uses nothing but what browsers have. /?room=kitchen&name=Ada says where and who.
export const page = `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <meta name="viewport" content="width=device-width" />
  <title>Chat</title>
  <style>
    :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
    body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
    #log { list-style: none; padding: 0; }
    #log .note { opacity: 0.7; }
    form { display: flex; gap: 0.5rem; flex-wrap: wrap; }
    input { flex: 1; min-width: 8rem; font: inherit; padding: 0.25rem 0.5rem; }
    button { font: inherit; padding: 0.25rem 1rem; }
    [hidden] { display: none; }
  </style>
  <h1>Chat</h1>
  <form id="enter">
    <input name="name" placeholder="Your name" aria-label="Your name" maxlength="40" required />
    <input name="room" placeholder="Room" aria-label="Room" maxlength="40" value="lobby" required />
    <button>Enter</button>
  </form>
  <section id="room" hidden>
    <p id="state" role="status"></p>
    <ul id="log" aria-live="polite"></ul>
    <form id="say">
      <input name="text" placeholder="Say something" aria-label="Message" maxlength="500" autocomplete="off" required />
      <button>Send</button>
    </form>
  </section>
  <script type="module">
    const find = (selector) => document.querySelector(selector);
    const here = new URLSearchParams(location.search);
    let socket;
    let pause = 500;

    function show({ from, text, present }) {
      const line = document.createElement("li");
      line.textContent = from === undefined ? text : from + ": " + text;
      if (from === undefined) line.className = "note";
      find("#log").append(line);
      line.scrollIntoView();
      if (present !== undefined) find("#state").textContent = "Room " + here.get("room") + ": " + present + " here";
    }

    // A server that is restarted closes its connections with 1001. Who was in a room comes back.
    function connect() {
      const url = new URL("/chat?" + here, location.href);
      url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
      socket = new WebSocket(url);
      socket.onopen = () => (pause = 500);
      socket.onmessage = (event) => show(JSON.parse(event.data));
      socket.onclose = (event) => {
        find("#state").textContent = "Not connected. " + event.reason;
        setTimeout(connect, pause);
        pause = Math.min(pause * 2, 10000);
      };
    }

    function enter() {
      if (!here.get("room")) here.set("room", "lobby");
      find("#enter").hidden = true;
      find("#room").hidden = false;
      connect();
    }

    if (here.get("name")) enter();
    if (here.get("room")) find("#enter [name=room]").value = here.get("room");
    find("#enter").onsubmit = (event) => {
      event.preventDefault();
      for (const field of ["name", "room"]) here.set(field, event.target.elements[field].value);
      history.replaceState(null, "", "?" + here);
      enter();
    };
    find("#say").onsubmit = (event) => {
      event.preventDefault();
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(event.target.text.value);
      event.target.reset();
    };
  </script>
</html>
`;
