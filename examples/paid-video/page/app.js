// @ts-check
/** The page: shows what the program says, and tells it what its viewer wants. */
import { Player } from './player.js'
import { listen, post, poster } from './program.js'
import { satDown, satFine, satUp, shortKey, size, time } from './words.js'

/**
 * @typedef {{ capMsat: number, spentMsat: number, feesMsat: number, reservedMsat: number, leftMsat: number }} Purse
 * @typedef {{ key: string, id: string, title: string, about: string, seller: string, address: string, bytes: number,
 *   durationMs: number, width: number, height: number, kilobyteMsat: number, costMsat: number, freeBytes: number,
 *   freeMs: number, hasPoster: boolean, haveBytes: number, isOwned: boolean, isSold: boolean }} Card
 * @typedef {{ offer: string, state: string, message: string, bytes: number, has: boolean[] }} Watching
 * @typedef {{ address: string, name: string, state: string, message: string }} PublisherRow
 * @typedef {{ title: string, kilobyteMsat: number, viewers: number, soldBytes: number, earnedMsat: number,
 *   spentMsat: number }} Sale
 * @typedef {{ name: string, purse: Purse, publishers: PublisherRow[], offers: Card[], watching?: Watching,
 *   question: { capMsat: number, spentMsat: number, restMsat: number } | null,
 *   selling: { leastMsat: number, freeDaySat: number },
 *   shop: { address: string, sales: Sale[], givenMsat: number } | null }} View
 */

/** Controls go when nothing moves for so long, ms; toasts after so long. */
const QUIET_MS = 2_500
const TOAST_MS = 4_500
/** A wait that is shorter is not shown, ms. */
const PATIENCE_MS = 350
/** Arrow keys, s. */
const STEP_S = 5
/** Of the cap: below it the purse turns red. */
const LOW_SHARE = 0.1

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id)
const video = /** @type {HTMLVideoElement} */ (find('video'))
const screen = /** @type {HTMLElement} */ (find('screen'))

/** @type {View | undefined} */
let view
/** @type {Player | undefined} */
let player
/** @type {import('./player.js').Index | undefined} */
let index
/** The film on the page of the player, by its key. */
let openKey = ''
let isStarted = false
let wasPlaying = false
/** The film whose poster is on the cover. */
let coverOf = ''
let playedAtMs = 0
let drawnCards = ''
let lastState = ''
/** @type {ReturnType<typeof setTimeout> | undefined} */
let quietTimer
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waitTimer

// ---- Drawing ---------------------------------------------------------------------------------------------

/** @param {string} tag @param {Record<string, any>} [fields] @param {...(Node | string)} children */
function make(tag, fields = {}, ...children) {
  const element = Object.assign(document.createElement(tag), fields)
  element.append(...children)
  return element
}

function draw() {
  if (view === undefined) return
  const { name, purse } = view
  find('who').textContent = name
  drawPurse(purse)
  drawCards(view)
  drawPublishers(view)
  drawShop(view)
  drawFilm()
  drawQuestion()
}

/** @param {Purse} purse */
function drawPurse({ capMsat, spentMsat, feesMsat, reservedMsat, leftMsat }) {
  const share = capMsat === 0 ? 0 : leftMsat / capMsat
  for (const id of ['purse', 'meter']) {
    find(`${id}-left`).textContent = satDown(leftMsat)
    find(`${id}-bar`).style.transform = `scaleX(${share})`
  }
  document.body.classList.toggle('low', share < LOW_SHARE)
  find('purse').setAttribute('aria-label', `${satDown(leftMsat)} of ${satDown(capMsat)} sat left. Change the cap`)
  find('meter-cap').textContent = `${satDown(capMsat)} sat`
  find('meter-spent').textContent = `${satFine(spentMsat)} sat`
  find('meter-under').textContent = `${satFine(reservedMsat)} sat`
  find('meter-fees').textContent = `${satFine(feesMsat)} sat`
}

/** @param {View} now */
function drawCards({ offers, publishers }) {
  const empty = find('empty')
  empty.hidden = offers.length > 0
  const isLoading = publishers.some(({ state }) => state === 'loading')
  empty.textContent = isLoading
    ? 'Asking the publishers for their films …'
    : 'No film yet. Add the address of a publisher below.'
  const drawn = JSON.stringify(offers)
  if (drawn === drawnCards) return
  drawnCards = drawn
  const focused = document.activeElement?.getAttribute('href')
  find('cards').replaceChildren(...offers.map(card))
  if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`.card[href="${focused}"]`))?.focus()
}

/** @param {Card} film */
function card(film) {
  const picture = make('div', { className: 'poster' })
  if (film.hasPoster) {
    const image = /** @type {HTMLImageElement} */ (make('img', { alt: '' }))
    picture.append(image)
    void poster(film.key).then((url) => (image.src = url), tell)
  }
  picture.append(make('span', { className: 'length', textContent: time(film.durationMs) }))
  if (film.isOwned)
    picture.append(make('span', { className: 'tag', textContent: film.isSold ? 'Yours, and sold on' : 'Yours' }))
  else if (film.haveBytes > 0) {
    const have = make('div', { className: 'have' })
    have.style.transform = `scaleX(${film.haveBytes / film.bytes})`
    picture.append(have)
  }
  const words = make(
    'div',
    { className: 'words' },
    make('h3', { textContent: film.title }),
    make('p', { className: 'muted', textContent: film.about }),
    make('p', {
      className: 'muted',
      textContent: `${film.seller || shortKey(film.address)} · ${size(film.bytes)} · ${film.width}×${film.height}`,
    }),
    make(
      'div',
      { className: 'prices' },
      make('b', { textContent: `${satFine(film.kilobyteMsat)} sat/kB` }),
      make('span', { className: 'muted', textContent: `${satUp(film.costMsat)} sat in all` }),
      ...(film.freeMs > 0
        ? [make('span', { className: 'free', textContent: `${Math.round(film.freeMs / 1_000)} s free` })]
        : []),
    ),
  )
  return make('li', {}, make('a', { className: 'card', href: `#/watch/${film.key}` }, picture, words))
}

/** @param {View} now */
function drawPublishers({ publishers, offers }) {
  const rows = publishers.map(({ address, name, state, message }) => {
    const count = offers.filter((offer) => offer.address === address).length
    const words = { loading: 'asking …', failed: message, ready: `${count} film${count === 1 ? '' : 's'}` }[state] ?? ''
    const again = make('button', {
      type: 'button',
      className: 'link',
      textContent: state === 'failed' ? 'try again' : 'look again',
    })
    again.addEventListener('click', () => void post('publishers', { address }).catch(tell))
    const remove = make('button', { type: 'button', className: 'link', textContent: 'remove' })
    remove.addEventListener('click', () => void post('forget', { address }).catch(tell))
    return make(
      'li',
      {},
      make('span', { textContent: name || 'A publisher' }),
      make('span', { className: 'key', textContent: shortKey(address) }),
      make('span', { className: state === 'failed' ? 'end error' : 'end muted', textContent: words }),
      ...(state === 'loading' ? [] : [again]),
      remove,
    )
  })
  replace('publishers', rows, JSON.stringify([publishers, offers.length]))
}

/** @param {View} now */
function drawShop({ shop }) {
  find('shop').hidden = shop === null
  if (shop === null) return
  if (find('shop-address').value !== shop.address) find('shop-address').value = shop.address
  const rows = shop.sales.map(({ title, kilobyteMsat, viewers, soldBytes, earnedMsat, spentMsat }) =>
    make(
      'li',
      {},
      make('span', { textContent: title }),
      make('span', { className: 'muted', textContent: `${satFine(kilobyteMsat)} sat/kB` }),
      make('span', {
        className: 'end',
        textContent: `${viewers > 0 ? `${viewers} watching · ` : ''}${size(soldBytes)} sold · ${satDown(earnedMsat)} sat earned, ${satUp(spentMsat)} spent`,
      }),
    ),
  )
  find('shop-given').textContent = satUp(Math.max(0, shop.givenMsat))
  replace('sales', rows, JSON.stringify(shop))
}

/** @type {Map<string, string>} */
const drawnLists = new Map()

/** Draws a list anew where it has changed: what has the focus stays. @param {string} id @param {Node[]} rows @param {string} version */
function replace(id, rows, version) {
  if (drawnLists.get(id) === version) return
  drawnLists.set(id, version)
  find(id).replaceChildren(...rows)
}

const openFilm = () => view?.offers.find(({ key }) => key === openKey)

function drawFilm() {
  const film = openFilm()
  if (film === undefined) return
  find('title').textContent = film.title
  find('about').textContent = film.about
  find('facts').textContent = [
    film.seller || shortKey(film.address),
    time(film.durationMs),
    size(film.bytes),
    `${film.width}×${film.height}`,
  ].join(' · ')
  find('end').textContent = time(film.durationMs)
  find('owned').hidden = !film.isOwned
  const watching = view?.watching?.offer === openKey ? view.watching : undefined
  const have = watching?.bytes ?? film.haveBytes
  const restBytes = Math.max(0, film.bytes - Math.max(have, film.freeBytes))
  find('meter-price').textContent = `${satFine(film.kilobyteMsat)} sat/kB`
  find('meter-bytes').textContent = `${size(have)} of ${size(film.bytes)}`
  find('meter-rest').textContent = film.isOwned ? 'nothing' : `${satUp((restBytes * film.kilobyteMsat) / 1_000)} sat`
  const preview = film.freeMs > 0 ? `${Math.round(film.freeMs / 1_000)} s free, then ` : ''
  find('cover-words').textContent = film.isOwned
    ? isStarted
      ? 'Play it again, for nothing'
      : 'Play from your disk, for nothing'
    : `Play: ${preview}${satFine(film.kilobyteMsat)} sat/kB, ${satUp(film.costMsat)} sat in all`
  if (film.hasPoster && coverOf !== film.key) {
    coverOf = film.key
    void poster(film.key).then((url) => {
      if (openKey === film.key) find('cover').style.backgroundImage = `url("${url}")`
    }, tell)
  }
  drawStrip(watching)
  drawState(film, watching)
}

/** @param {Watching | undefined} watching */
function drawStrip(watching) {
  const parts = find('strip').children
  if (index === undefined || parts.length !== index.segments.length) return
  for (const [i, part] of [...parts].entries()) part.classList.toggle('has', watching?.has[i] === true)
}

/** @param {Card} film @param {Watching | undefined} watching */
function drawState(film, watching) {
  const state = watching?.state ?? 'idle'
  if (state !== lastState) {
    if (state === 'away') toast('Connection lost. Connecting again …', 'bad')
    if (lastState === 'away' && state === 'open') toast('Connected again. No byte is paid twice.', 'good')
    if (state === 'failed') showStop(`It cannot go on: ${watching?.message ?? ''}`, 'Try again', retry)
    lastState = state
  }
  if (film.isOwned && owned !== film.id && owned !== '') toast('All of it is yours now.', 'good')
  owned = film.isOwned ? film.id : `not ${film.id}`
  find('state').textContent = stateWords(film, state)
  find('spinner-words').textContent = { connecting: 'Connecting …', away: 'Connecting again …' }[state] ?? ''
}
let owned = ''

/** @param {Card} film @param {string} state */
function stateWords(film, state) {
  if (!isStarted) return ''
  if (film.isOwned) return 'Yours: nothing is paid'
  if (state === 'away') return 'Connection lost, trying again'
  if (state === 'capped') return 'Your cap is reached'
  if (video.ended) return 'The end'
  if (video.paused) return 'Paused: nothing is paid'
  const now = index?.segments.find(({ endMs }) => video.currentTime * 1_000 < endMs)
  if (now?.isFree) return 'Free preview'
  return state === 'connecting' ? 'Connecting …' : 'Paying as you watch'
}

// ---- The question ----------------------------------------------------------------------------------------

const question = /** @type {HTMLDialogElement} */ (find('question'))

function drawQuestion() {
  const asked = view?.question ?? null
  if (asked === null) {
    if (question.open) question.close('gone')
    return
  }
  if (question.open || openKey === '') return
  if (!video.paused) wasPlaying = true
  video.pause()
  find('question-words').textContent =
    `You allowed ${satDown(asked.capMsat)} sat, and ${satFine(asked.spentMsat)} are spent. ` +
    `The rest of this film costs about ${satUp(asked.restMsat)} sat, fees included.`
  find('more').value = String(Math.ceil(asked.restMsat / 1_000))
  drawMore()
  question.returnValue = ''
  question.showModal()
}

function drawMore() {
  find('yes-sat').textContent = satDown(Number(find('more').value) * 1_000)
}
find('more').addEventListener('input', drawMore)
find('no').addEventListener('click', () => question.close('no'))
question.addEventListener('cancel', () => (question.returnValue = 'no'))
question.querySelector('form')?.addEventListener('submit', (event) => {
  event.preventDefault()
  question.close('yes')
})
question.addEventListener('close', () => {
  if (question.returnValue === 'yes') {
    hideStop()
    void post('answer', { msat: Math.round(Number(find('more').value) * 1_000) }).then(goOn, tell)
  } else if (question.returnValue !== 'gone') {
    void post('answer', { msat: 0 }).catch(tell)
    showStop('Stopped at your cap. Nothing more is paid, and what you bought stays yours.', 'Ask me again', () =>
      post('ask'),
    )
  }
})

function goOn() {
  if (!wasPlaying) return
  wasPlaying = false
  void video.play()
  player?.again()
}

/** @type {() => Promise<unknown>} */
let stopAction = () => Promise.resolve()

/** @param {string} words @param {string} label @param {() => Promise<unknown>} action */
function showStop(words, label, action) {
  if (openKey === '') return
  if (!video.paused) wasPlaying = true
  video.pause()
  find('stop-words').textContent = words
  find('stop-button').textContent = label
  stopAction = action
  find('stop').hidden = false
}

find('stop-button').addEventListener('click', () => void stopAction().catch(tell))

function hideStop() {
  find('stop').hidden = true
}

async function retry() {
  hideStop()
  lastState = ''
  await open(openKey, true)
}

// ---- The cap ---------------------------------------------------------------------------------------------

const capDialog = /** @type {HTMLDialogElement} */ (find('cap-dialog'))
function changeCap() {
  find('cap').value = String(Math.floor((view?.purse.capMsat ?? 0) / 1_000))
  capDialog.showModal()
}
find('purse').addEventListener('click', changeCap)
find('change-cap').addEventListener('click', changeCap)
find('cap-cancel').addEventListener('click', () => capDialog.close())
capDialog.querySelector('form')?.addEventListener('submit', () => {
  hideStop()
  void post('cap', { msat: Math.round(Number(find('cap').value) * 1_000) }).then(goOn, tell)
})

// ---- The player ------------------------------------------------------------------------------------------

/** @param {string} key @param {boolean} [playsAtOnce] */
async function open(key, playsAtOnce = false) {
  closeFilm()
  openKey = key
  draw()
  try {
    index = /** @type {import('./player.js').Index} */ (await post('open', { offer: key }))
  } catch (error) {
    if (openKey === key) showStop(`It cannot be opened: ${/** @type {Error} */ (error).message}`, 'Try again', retry)
    return
  }
  if (openKey !== key) return
  find('strip').replaceChildren(
    ...index.segments.map(({ startMs, endMs, isFree }) => {
      const part = make('i', { className: isFree ? 'free' : '' })
      part.style.flex = String(endMs - startMs)
      return part
    }),
  )
  find('seek').max = String(index.durationMs)
  draw()
  if (playsAtOnce) play()
}

function closeFilm() {
  player?.close()
  player = undefined
  index = undefined
  openKey = ''
  isStarted = false
  wasPlaying = false
  lastState = ''
  owned = ''
  hideStop()
  hideSpinner()
  find('strip').replaceChildren()
  find('seek').value = '0'
  find('now').textContent = '0:00'
  find('sell-words').textContent = ''
  find('cover').hidden = false
  find('cover').style.backgroundImage = ''
  coverOf = ''
  screen.classList.add('fresh')
  screen.classList.remove('playing', 'quiet')
  if (question.open) question.close('gone')
}

function play() {
  if (index === undefined) return
  if (player === undefined) {
    player = new Player(video, openKey, index, onFailure)
    playedAtMs = performance.now()
    video.dataset['stalls'] = '0'
    delete video.dataset['startedMs']
    void post('warm').catch(tell)
    showSpinner()
  }
  isStarted = true
  find('cover').hidden = true
  screen.classList.remove('fresh')
  void video.play()
  find('play').focus({ preventScroll: true })
}

/** @param {import('./player.js').PlayerError} failure */
function onFailure({ code, message }) {
  hideSpinner()
  if (code === 'capped')
    showStop('Stopped at your cap. Nothing more is paid, and what you bought stays yours.', 'Ask me again', () =>
      post('ask'),
    )
  else if (code !== 'closed') showStop(`It cannot go on: ${message}`, 'Try again', retry)
}

function toggle() {
  if (!isStarted) return play()
  if (!find('stop').hidden) return find('stop-button').click()
  wasPlaying = false
  if (video.paused) void video.play()
  else video.pause()
}

/** @param {number} seconds */
function seekTo(seconds) {
  if (!isStarted) play()
  video.currentTime = Math.min(Math.max(0, seconds), (index?.durationMs ?? 0) / 1_000 - 0.05)
}

function showSpinner() {
  clearTimeout(waitTimer)
  waitTimer = setTimeout(() => (find('spinner').hidden = video.paused), PATIENCE_MS)
}

function hideSpinner() {
  clearTimeout(waitTimer)
  find('spinner').hidden = true
}

find('cover').addEventListener('click', play)
find('play').addEventListener('click', toggle)
video.addEventListener('click', toggle)
find('mute').addEventListener('click', () => (video.muted = !video.muted))
find('full').addEventListener('click', () => {
  if (document.fullscreenElement === null) void screen.requestFullscreen()
  else void document.exitFullscreen()
})
find('seek').addEventListener('input', () => seekTo(Number(find('seek').value) / 1_000))
video.addEventListener('playing', () => {
  hideSpinner()
  video.dataset['startedMs'] ??= String(Math.round(performance.now() - playedAtMs))
})
video.addEventListener('waiting', () => {
  showSpinner()
  const isStall = video.dataset['startedMs'] !== undefined && !video.seeking
  if (!isStall) return
  player?.ranDry()
  video.dataset['stalls'] = String(Number(video.dataset['stalls']) + 1)
})
for (const name of ['play', 'pause', 'playing', 'ended']) {
  video.addEventListener(name, () => {
    screen.classList.toggle('playing', !video.paused)
    find('play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause')
    if (video.paused) hideSpinner()
    if (video.ended) find('cover').hidden = false
    drawFilm()
    stir()
  })
}
video.addEventListener('volumechange', () => {
  screen.classList.toggle('muted', video.muted)
  find('mute').setAttribute('aria-label', video.muted ? 'Sound on' : 'Mute')
})
video.addEventListener('timeupdate', () => {
  find('now').textContent = time(video.currentTime * 1_000)
  find('seek').value = String(video.currentTime * 1_000)
  find('seek').setAttribute('aria-valuetext', `${time(video.currentTime * 1_000)} of ${find('end').textContent}`)
  if (isStarted) drawFilm()
})

function stir() {
  screen.classList.remove('quiet')
  clearTimeout(quietTimer)
  quietTimer = setTimeout(() => screen.classList.toggle('quiet', !video.paused), QUIET_MS)
}
for (const name of ['pointermove', 'pointerdown', 'keydown']) screen.addEventListener(name, stir)

document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement && event.target.type !== 'range'
  const isModal = question.open || capDialog.open
  if (openKey === '' || isTyping || isModal || event.altKey || event.ctrlKey || event.metaKey) return
  const isOnButton = event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement
  if (event.key === 'k' || (event.key === ' ' && !isOnButton)) toggle()
  else if (event.key === 'ArrowRight') seekTo(video.currentTime + STEP_S)
  else if (event.key === 'ArrowLeft') seekTo(video.currentTime - STEP_S)
  else if (event.key === 'm') video.muted = !video.muted
  else if (event.key === 'f') find('full').click()
  else return
  event.preventDefault()
})

// ---- Publishers and selling on ---------------------------------------------------------------------------

find('add-publisher').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
  event.preventDefault()
  const field = find('address')
  const failed = find('add-error')
  failed.hidden = true
  post('publishers', { address: field.value }).then(
    () => (field.value = ''),
    (/** @type {Error} */ error) => {
      failed.textContent = error.message
      failed.hidden = false
    },
  )
})

find('sell').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
  event.preventDefault()
  const kilobyteMsat = Math.round(Number(find('sell-price').value) * 1_000)
  find('sell-words').textContent = 'Putting it up for sale …'
  post('sell', { offer: openKey, kilobyteMsat }).then(
    () => {
      find('sell-words').textContent = 'It is for sale. Your address is on the page of all films.'
      toast('It is for sale.', 'good')
    },
    (/** @type {Error} */ error) => (find('sell-words').textContent = error.message),
  )
})

find('copy').addEventListener('click', () => {
  const field = find('shop-address')
  field.select()
  void navigator.clipboard.writeText(field.value).then(() => toast('Copied.', 'good'), tell)
})

// ---- Toasts and ways -------------------------------------------------------------------------------------

/** @param {string} words @param {'good' | 'bad' | ''} [kind] */
function toast(words, kind = '') {
  const shown = make('div', { className: `toast ${kind}`, textContent: words })
  find('toasts').append(shown)
  setTimeout(() => shown.remove(), TOAST_MS)
}

/** @param {Error} error */
function tell(error) {
  toast(error.message, 'bad')
}

function follow() {
  const [, key = ''] = /^#\/watch\/(\w+)$/.exec(location.hash) ?? []
  find('home').hidden = key !== ''
  find('watch').hidden = key === ''
  if (key === '') {
    if (openKey !== '') void post('leave').catch(tell)
    closeFilm()
    document.title = 'Paid video'
  } else if (key !== openKey) {
    void open(key).then(() => {
      const film = openFilm()
      if (film === undefined) return
      document.title = `${film.title} · Paid video`
      const { leastMsat = 0, freeDaySat = 0 } = view?.selling ?? {}
      find('sell-price').min = String(leastMsat / 1_000)
      find('sell-price').value = String(Math.max(leastMsat, film.kilobyteMsat - 1_000) / 1_000)
      find('sell-least').textContent = satFine(leastMsat)
      find('sell-free').textContent = satDown(freeDaySat * 1_000)
    })
  }
  scrollTo(0, 0)
}
addEventListener('hashchange', follow)

// ---- The program -----------------------------------------------------------------------------------------

let isAway = false
const heard = listen(
  (now) => {
    isAway = false
    const isFirst = view === undefined
    view = now
    draw()
    // The films come with the first view.
    if (isFirst) follow()
  },
  () => {
    if (!isAway) toast('The program on this machine does not answer.', 'bad')
    isAway = true
  },
)
void heard.then(() => {
  closeFilm()
  for (const id of ['home', 'watch']) find(id).hidden = true
  find('no-key').hidden = false
})
