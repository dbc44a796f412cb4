// The theme of the page, and the hedgehog.
import {call, me} from "../api.js"
import {check, el, field, form, group, say, select, submitButton} from "../dom.js"
import {accessories, colors, describe, drawHedgehog, look, skins} from "../hedgehog.js"

export const title = "Appearance"

export async function show(root, page) {
  root.append(themeForm(page), el("h2", {}, "Hedgehog"), hedgehogForm(page))
}

const themes = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]]

function themeForm(page) {
  return form(async f => {
    page.update(await call("PATCH", me, {theme_mode: f.theme_mode.value}))
    say("The theme is saved.")
  },
  field("theme_mode", "Theme", select(themes, page.user.theme_mode || "system")),
  submitButton("Save theme"))
}

const capital = word => word[0].toUpperCase() + word.slice(1)

function hedgehogForm(page) {
  const now = look(page.user.hedgehog_config)
  const picture = el("div", {})
  const wear = Object.entries(accessories).map(([name, label]) => check(label, {value: name, checked: now.accessories.includes(name)}))
  // What can be worn elsewhere and is not drawn here is kept.
  const unknown = now.accessories.filter(name => !Object.hasOwn(accessories, name))
  const chosen = f => merged(page.user.hedgehog_config, f.use_as_profile.checked, {
    color: f.color.value || null, skin: f.skin.value,
    accessories: [...unknown, ...[...f.accessories.querySelectorAll(":checked")].map(input => input.value)],
  })
  const draw = config => picture.replaceChildren(drawHedgehog(config, describe(config)))
  const node = form(async f => {
    const config = chosen(f)
    await call("PATCH", `${me}/hedgehog_config`, config)
    page.update({...page.user, hedgehog_config: config})
    say("The hedgehog is saved.")
  },
  picture,
  field("color", "Color", select([["", "Its own"], ...colors.map(name => [name, capital(name)])], now.color ?? "")),
  field("skin", "Skin", select(skins.map(name => [name, capital(name)]), now.skin)),
  group("accessories", "Accessories", el("div", {class: "columns"}, wear)),
  check("Use it as my picture", {name: "use_as_profile", checked: Boolean(page.user.hedgehog_config?.use_as_profile)}),
  submitButton("Save hedgehog"))
  node.addEventListener("change", () => draw(chosen(node)))
  draw(page.user.hedgehog_config)
  return node
}

// merged is the configuration with another look; members that this page does not
// know stay, as a change replaces the whole.
function merged(config, use_as_profile, options) {
  const old = config !== null && typeof config === "object" && !Array.isArray(config) ? config : {}
  if (old.version === 2) return {...old, use_as_profile, actor_options: {...old.actor_options, ...options}}
  return {...old, use_as_profile, ...options}
}
