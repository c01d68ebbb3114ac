// @ts-check
/** Talks to the program on this machine, with the key of the link: only who has it may spend the viewer's money. */

/** After so long it is asked again where it does not answer, ms. */
const AGAIN_MS = 1_000
const IN_LINK = /^#key=(\w+)$/

/** In this tab alone, and for this port: a cookie would go to all servers of the machine. */
function takeKey() {
  const [, key] = IN_LINK.exec(location.hash) ?? []
  if (key === undefined) return false
  sessionStorage.setItem('key', key)
  history.replaceState(null, '', '#/')
  return true
}
takeKey()
// The next link, in the same tab.
addEventListener('hashchange', () => {
  if (takeKey()) location.reload()
})

/** @param {string} path @param {RequestInit} [init] */
export function call(path, init) {
  const headers = { 'content-type': 'application/json', 'x-key': sessionStorage.getItem('key') ?? '' }
  return fetch(`/api/${path}`, { ...init, headers })
}

/** @param {string} path @param {object} [fields] @returns {Promise<any>} */
export async function post(path, fields = {}) {
  const response = await call(path, { method: 'POST', body: JSON.stringify(fields) })
  if (response.status === 403) throw new Error(await response.text())
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.message)
  return answer
}

/** By film. @type {Map<string, Promise<string>>} */
const posters = new Map()

/** A URL of this page's own: an image cannot be asked for with the key. @param {string} film @returns {Promise<string>} */
export function poster(film) {
  const known = posters.get(film)
  if (known !== undefined) return known
  const url = call(`posters/${film}`).then(async (response) => {
    if (!response.ok) throw new Error('there is no such poster')
    return URL.createObjectURL(await response.blob())
  })
  posters.set(film, url)
  url.catch(() => posters.delete(film))
  return url
}

/**
 * Hears what there is to show, again and again; returns where the key is not that of the program.
 *
 * @param {(view: any) => void} onView @param {() => void} onAway
 */
export async function listen(onView, onAway) {
  for (;;) {
    try {
      const response = await call('events')
      if (response.status === 403) return
      if (response.ok) await readLines(response, onView)
    } catch {
      // Told below.
    }
    onAway()
    await new Promise((resolve) => {
      setTimeout(resolve, AGAIN_MS)
    })
  }
}

/** @param {Response} response @param {(value: any) => void} onValue */
async function readLines({ body }, onValue) {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    const lines = (text + read.value).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) onValue(JSON.parse(line))
  }
}
