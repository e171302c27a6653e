// All videos of a clip in locked step. The frame is in the address (#frame=5&solo=2).
"use strict";

const box = document.getElementById("players");
if (box) start();

function start() {
  const frames = Number(box.dataset.frames), fps = Number(box.dataset.fps);
  const figures = [...box.children];
  const videos = figures.map((figure) => figure.querySelector("video"));
  const seek = document.getElementById("seek"), play = document.getElementById("play"), told = document.getElementById("frame");
  const lines = playheads();
  let frame = 0, solo = 0, playing = false;

  // Every video says itself which frame it shows: the page's word for it would prove nothing.
  for (const video of videos) {
    const shown = (_, { mediaTime }) => {
      video.dataset.frame = Math.round(mediaTime * fps);
      video.requestVideoFrameCallback(shown);
    };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(shown);
  }

  function tell() {
    seek.value = frame;
    told.textContent = `frame ${frame} of ${frames}`;
    for (const { line, x0, x1 } of lines) {
      const x = x0 + ((x1 - x0) * frame) / Math.max(frames - 1, 1);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
  }

  function show(wanted) {
    frame = (wanted + frames) % frames;
    // the middle of the frame: its edge may round to the one before
    for (const video of videos) video.currentTime = (frame + 0.5) / fps;
    tell();
    remember();
  }

  function remember() {
    const now = new URLSearchParams();
    if (frame) now.set("frame", frame);
    if (solo) now.set("solo", solo);
    const text = now.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname);
  }

  // The first video leads; one that is half a frame off is set right, and all begin again together.
  function follow() {
    if (!playing) return;
    const time = videos[0].currentTime;
    if (videos[0].ended || time >= frames / fps) {
      for (const video of videos) video.currentTime = 0;
      for (const video of videos) video.play().catch(() => {});
    } else {
      for (const video of videos) if (Math.abs(video.currentTime - time) > 0.5 / fps) video.currentTime = time;
      frame = Math.min(Math.floor(time * fps), frames - 1);
      tell();
    }
    requestAnimationFrame(follow);
  }

  function toggle() {
    playing = !playing;
    play.textContent = playing ? "Pause" : "Play";
    if (playing) {
      for (const video of videos) video.play().catch(() => {});
      requestAnimationFrame(follow);
    } else {
      for (const video of videos) video.pause();
      show(frame);
    }
  }

  function alone(number) {
    solo = number === solo ? 0 : number;
    box.classList.toggle("solo", solo > 0);
    for (const [place, figure] of figures.entries()) figure.hidden = solo > 0 && place + 1 !== solo;
    remember();
  }

  function step(by) {
    if (playing) toggle();
    show(frame + by);
  }

  play.addEventListener("click", toggle);
  seek.addEventListener("input", () => step(Number(seek.value) - frame));
  document.getElementById("back").addEventListener("click", () => step(-1));
  document.getElementById("forth").addEventListener("click", () => step(1));
  for (const [place, figure] of figures.entries()) figure.addEventListener("click", () => alone(place + 1));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target === seek) return;
    if (event.key === " ") toggle();
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (/^[0-9]$/.test(event.key) && Number(event.key) <= figures.length) alone(Number(event.key) || solo);
    else return;
    event.preventDefault();
  });

  function restore() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const number = Number(wanted.get("solo")) || 0;
    if (number !== solo && number <= figures.length) alone(number || solo);
    show(Math.min(Math.max(Number(wanted.get("frame")) || 0, 0), frames - 1));
  }
  window.addEventListener("hashchange", restore);
  restore();
}

// A line over each panel of the curves; data-axes has where frame 0 and the last one lie, and the panel's top and bottom.
function playheads() {
  const figure = document.getElementById("curves");
  const svg = figure?.querySelector("svg");
  if (!svg) return [];
  return JSON.parse(figure.dataset.axes).map(([x0, x1, top, bottom]) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "playhead");
    line.setAttribute("y1", top);
    line.setAttribute("y2", bottom);
    svg.append(line);
    return { line, x0, x1 };
  });
}
