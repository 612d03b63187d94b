/** The chat's page: what examples/chat.mjs says becomes lines, and what is typed goes to it. */
const element = (id) => document.getElementById(id);
const { location } = window;

let socket;
/** Who has shown the picture that comes next. */
let shower = '';

element('entrance').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = element('name').value;
  if (socket?.readyState === WebSocket.OPEN && socket.person === name) join();
  else connect(name);
});
element('leave').addEventListener('click', () => socket?.close(1000, 'bye'));
element('speech').addEventListener('submit', (event) => {
  event.preventDefault();
  const [picture] = element('picture').files;
  if (picture !== undefined) socket?.send(picture);
  if (element('line').value !== '') socket?.send(JSON.stringify({ say: element('line').value }));
  event.target.reset();
});

function connect(name) {
  socket?.close(1000, 'under another name');
  const opened = new WebSocket(`ws://${location.host}/chat?name=${encodeURIComponent(name)}`);
  socket = opened;
  opened.person = name;
  opened.onopen = join;
  opened.onmessage = ({ data }) => (typeof data === 'string' ? hear(JSON.parse(data)) : look(data));
  opened.onclose = ({ code, reason, wasClean }) => {
    if (socket === opened) tellStatus(`closed ${wasClean ? 'cleanly' : 'abruptly'}: ${code} ${reason}`);
  };
}

function join() {
  socket.send(JSON.stringify({ join: element('room').value }));
}

function hear({ room, history, from, say, look: looks, people }) {
  if (history !== undefined) {
    element('lines').replaceChildren();
    for (const line of history) addLine(line.from, line.say);
    tellStatus(`in ${room}${socket.extensions === '' ? '' : `, with ${socket.extensions}`}`);
  } else if (say !== undefined) addLine(from, say);
  else if (people !== undefined) addLine(from, `has come: there are ${people} here`);
  else if (looks) shower = from;
}

function look(picture) {
  const image = document.createElement('img');
  image.src = URL.createObjectURL(picture);
  addLine(shower, image);
}

function addLine(from, content) {
  const line = document.createElement('li');
  line.append(`${from}: `, content);
  element('lines').append(line);
  line.scrollIntoView({ block: 'nearest' });
}

function tellStatus(text) {
  element('status').textContent = text;
}
