// A worker that holds the websocket: what it measures does not wait for the page to be drawn.
//
// It is told {open: [url, protocols]} and {send: text}, with an id where that is a request. It tells {state: "open"} or
// {state: "closed"}, and {event, bytes, atMs}: an event of the server, the media that came with it or null, and the
// milliseconds between the sending of its request and the receipt of its last byte.

let socket = null;
let announced = null; // the event whose binary frame comes next
const sentAt = new Map(); // by id of the request

addEventListener("message", ({ data }) => {
  if (data.open) open(...data.open);
  else if (socket?.readyState === WebSocket.OPEN) {
    if (data.id !== undefined) sentAt.set(data.id, performance.now());
    socket.send(data.send);
  }
});

function open(url, protocols) {
  socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  announced = null;
  sentAt.clear();
  socket.addEventListener("open", () => postMessage({ state: "open" }));
  socket.addEventListener("close", () => postMessage({ state: "closed" }));
  socket.addEventListener("message", ({ data }) => receive(data, performance.now()));
}

function receive(data, now) {
  if (typeof data !== "string") {
    if (announced !== null) pass(announced, data, now);
    announced = null;
    return;
  }
  const event = JSON.parse(data);
  if (event.type === "preview" || event.type === "completed") announced = event;
  else pass(event, null, now);
}

function pass(event, bytes, now) {
  const atMs = now - (sentAt.get(event.id) ?? now);
  if (event.type === "completed" || event.type === "error") sentAt.delete(event.id);
  postMessage({ event, bytes, atMs }, bytes === null ? [] : [bytes]);
}
