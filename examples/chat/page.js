// The chat's page. It uses nothing but what browsers have.
export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  body { max-width: 40rem; margin: 0 auto; padding: 1rem; display: grid; grid-template-rows: auto 1fr auto; height: 100dvh;
    box-sizing: border-box; gap: 1rem; }
  h1 { font-size: 1.25rem; margin: 0; }
  #log { overflow-y: auto; margin: 0; padding: 0; list-style: none; }
  .note { opacity: 0.6; font-style: italic; }
  form { display: flex; gap: 0.5rem; }
  input { flex: 1; font: inherit; padding: 0.5rem; }
  button { font: inherit; padding: 0.5rem 1rem; }
</style>
<h1>Room <output id="room"></output> <small id="state" role="status"></small></h1>
<ul id="log" aria-live="polite"></ul>
<form id="form">
  <input id="text" aria-label="Message" maxlength="500" autocomplete="off" required autofocus>
  <button>Send</button>
</form>
<script type="module">
  const byId = (id) => document.getElementById(id);
  const parameters = new URLSearchParams(location.search);
  const room = parameters.get("room") || "lobby";
  const name = parameters.get("name") || "guest " + Math.floor(Math.random() * 1000);
  byId("room").value = room;

  function show(message) {
    const item = document.createElement("li");
    item.textContent = message.from === undefined ? message.text : message.from + ": " + message.text;
    item.className = message.from === undefined ? "note" : "";
    byId("log").append(item);
    item.scrollIntoView();
    if (message.present !== undefined) byId("state").textContent = message.present + " here";
  }

  let socket;
  let pause = 500;
  function connect() {
    const url = new URL("/socket?" + new URLSearchParams({ name, room }), location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.onopen = () => { pause = 500; };
    socket.onmessage = (event) => show(JSON.parse(event.data));
    socket.onclose = (event) => {
      byId("state").textContent = "not connected" + (event.reason ? ": " + event.reason : "");
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, 10000);
    };
  }
  byId("form").onsubmit = (event) => {
    event.preventDefault();
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(byId("text").value);
    byId("text").value = "";
  };
  connect();
</script>
</html>
`;
