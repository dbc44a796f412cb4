// The hedgehog of an account, drawn from its hedgehog_config.

const xmlns = "http://www.w3.org/2000/svg"

export const colors = ["green", "red", "blue", "purple", "dark", "light", "sepia", "invert", "invert-hue", "greyscale"]
export const skins = ["default", "spiderhog", "robohog"]

// spikes are the colors of the coat; null is a hedgehog's own.
const spikes = {
  green: "#3f8f4f", red: "#b8433a", blue: "#3b6fb5", purple: "#7a4fa8", dark: "#3a3230", light: "#cdb79c", sepia: "#a0763f",
  invert: "#75a5cc", "invert-hue": "#337ca0", greyscale: "#777777",
}
const own = "#8a5a33"
const faces = {default: "#f0c999", spiderhog: "#c0392b", robohog: "#b8c0c8"}

// drawings are what a hedgehog can wear, as [shape, attributes] on a field of
// 100 by 80 whose head is at the right.
const drawings = {
  beret: [["ellipse", {cx: 68, cy: 27, rx: 15, ry: 6, fill: "#a33"}], ["circle", {cx: 68, cy: 20, r: 2, fill: "#a33"}]],
  cap: [["path", {d: "M56 31a13 12 0 0 1 26 0z", fill: "#27c"}], ["path", {d: "M80 28h14v4H80z", fill: "#159"}]],
  cowboy: [["path", {d: "M50 30h40l-6 4H56z", fill: "#8b5a2b"}], ["path", {d: "M60 30l3-14h14l3 14z", fill: "#a06a35"}]],
  eyepatch: [["path", {d: "M58 34l30 12", stroke: "#111", "stroke-width": 2}], ["circle", {cx: 78, cy: 43, r: 5, fill: "#111"}]],
  glasses: [["circle", {cx: 78, cy: 43, r: 6, fill: "none", stroke: "#111", "stroke-width": 2}], ["path", {d: "M72 43H58", stroke: "#111", "stroke-width": 2}]],
  graduation: [["path", {d: "M50 25l19-8 19 8-19 8z", fill: "#222"}], ["path", {d: "M86 25v12", stroke: "#d9a520", "stroke-width": 2}]],
  party: [["path", {d: "M60 32l10-26 10 26z", fill: "#d94f9a"}], ["circle", {cx: 70, cy: 6, r: 3, fill: "#ffd23f"}]],
  sunglasses: [["path", {d: "M70 39h16v6a5 5 0 0 1-10 2z", fill: "#111"}], ["path", {d: "M72 41H58", stroke: "#111", "stroke-width": 2}]],
  tophat: [["path", {d: "M52 31h34v3H52z", fill: "#111"}], ["path", {d: "M59 8h20v23H59z", fill: "#222"}]],
}

// accessories are the names of all drawings with their labels.
export const accessories = {
  beret: "Beret", cap: "Cap", cowboy: "Cowboy hat", eyepatch: "Eyepatch", glasses: "Glasses", graduation: "Graduation cap", party: "Party hat",
  sunglasses: "Sunglasses", tophat: "Top hat",
}

// look returns color, skin and accessories of either form of a configuration. Any
// JSON may be stored, so nothing is taken for granted.
export function look(config) {
  const from = (config?.version === 2 ? config.actor_options : config) ?? {}
  return {
    color: colors.includes(from.color) ? from.color : null,
    skin: skins.includes(from.skin) ? from.skin : "default",
    accessories: Array.isArray(from.accessories) ? from.accessories.filter(name => typeof name === "string") : [],
  }
}

// describe says what drawHedgehog draws.
export function describe(config) {
  const {color, skin, accessories} = look(config)
  const worn = accessories.filter(name => Object.hasOwn(drawings, name))
  return `Hedgehog: ${color ?? "brown"}${skin === "default" ? "" : `, ${skin}`}${worn.length ? `, with ${worn.join(", ")}` : ""}`
}

// drawHedgehog is decoration unless a label says what it is.
export function drawHedgehog(config, label) {
  const {color, skin, accessories} = look(config)
  const coat = spikes[color] ?? own
  const face = faces[skin]
  const svg = shape("svg", {viewBox: "0 0 100 80", class: "hedgehog", ...label ? {role: "img", "aria-label": label} : {"aria-hidden": "true"}})
  svg.append(
    shape("path", {d: "M8 68 4 56l6-4-4-10 9-1 0-11 9 3 4-10 8 6 7-9 6 8 9-5 2 10 8 2 2 33z", fill: coat}),
    shape("path", {d: "M56 68c-4-20 2-40 14-41 10 0 14 13 17 21l7 4c2 2 1 5-2 6l-8 10z", fill: face}),
    shape("circle", {cx: 78, cy: 43, r: 2.5, fill: "#111"}),
    shape("circle", {cx: 94, cy: 54, r: 3, fill: "#111"}),
    shape("path", {d: "M30 68v6M46 68v6M62 68v6M78 68v6", stroke: face, "stroke-width": 6, "stroke-linecap": "round"}))
  for (const name of accessories) {
    if (!Object.hasOwn(drawings, name)) continue
    for (const [tag, attributes] of drawings[name]) svg.append(shape(tag, attributes))
  }
  return svg
}

function shape(tag, attributes) {
  const node = document.createElementNS(xmlns, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  return node
}
