// @ts-check
/**
 * Plays a film segment by segment. It asks for no more than a few seconds ahead of what is seen, and for nothing while
 * it is paused: what is not asked for is not paid.
 */
import { call } from './program.js'

/** How far ahead of the picture, s; where it ran dry, more each time, up to the most. */
const AHEAD_S = 6
const AHEAD_STEP_S = 4
const MOST_AHEAD_S = 22
/** What is behind the picture by more stays on the disk of the server, and not in the browser, s. */
const BEHIND_S = 120
/** Sound and picture of a segment do not end in the same moment, s. */
const SLACK_S = 0.25
const HEADER = -1

/** @typedef {{ startMs: number, endMs: number, isFree: boolean }} Segment */
/** @typedef {{ mimeType: string, durationMs: number, segments: Segment[] }} Index */

/** Why a film does not go on. */
export class PlayerError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

export class Player {
  #video
  #offer
  #index
  #onFailure
  #source = new MediaSource()
  /** @type {SourceBuffer | undefined} */
  #buffer
  #hasHeader = false
  #aheadS = AHEAD_S
  #isFilling = false
  #isStopped = false
  #url
  #wanted = new AbortController()
  /** What is on its way, by segment. @type {Map<number, Promise<ArrayBuffer | undefined>>} */
  #coming = new Map()

  /**
   * @param {HTMLVideoElement} video
   * @param {string} offer
   * @param {Index} index
   * @param {(failure: PlayerError) => void} onFailure
   */
  constructor(video, offer, index, onFailure) {
    this.#video = video
    this.#offer = offer
    this.#index = index
    this.#onFailure = onFailure
    this.#url = URL.createObjectURL(this.#source)
    this.#source.addEventListener('sourceopen', () => this.#start(), { once: true })
    video.src = this.#url
    for (const name of ['timeupdate', 'play', 'waiting']) video.addEventListener(name, this.#fill)
    video.addEventListener('seeking', this.#onSeeking)
  }

  /** Lets go of the video. */
  close() {
    this.#isStopped = true
    this.#wanted.abort()
    for (const name of ['timeupdate', 'play', 'waiting']) this.#video.removeEventListener(name, this.#fill)
    this.#video.removeEventListener('seeking', this.#onSeeking)
    this.#video.removeAttribute('src')
    this.#video.load()
    URL.revokeObjectURL(this.#url)
  }

  /** It ran dry while it played: the way is slower than it was taken for. */
  ranDry() {
    this.#aheadS = Math.min(this.#aheadS + AHEAD_STEP_S, MOST_AHEAD_S)
  }

  /** After a failure that may have passed. */
  again() {
    this.#fill()
  }

  #start() {
    if (this.#isStopped) return
    this.#buffer = this.#source.addSourceBuffer(this.#index.mimeType)
    this.#source.duration = this.#index.durationMs / 1_000
    this.#fill()
  }

  #onSeeking = () => {
    // What the publisher was asked for is bought all the same, and kept; the rest is not wanted any more.
    this.#wanted.abort()
    this.#wanted = new AbortController()
    this.#coming.clear()
    this.#fill()
  }

  #fill = () => {
    void this.#fillAll()
  }

  async #fillAll() {
    if (this.#isFilling || this.#buffer === undefined) return
    this.#isFilling = true
    try {
      for (let next = this.#next(); next !== undefined && !this.#isStopped; next = this.#next()) await this.#load(next)
      if (!this.#isStopped) this.#endIfWhole()
    } catch (error) {
      if (!this.#isStopped) this.#onFailure(/** @type {PlayerError} */ (error))
    } finally {
      this.#isFilling = false
    }
  }

  /** The segment that is wanted next; undefined where enough is there, or nothing is wanted. */
  #next() {
    if (this.#video.paused || this.#video.ended) return undefined
    return this.#hasHeader ? this.#nextFrom(this.#segmentAt(this.#video.currentTime)) : HEADER
  }

  /** The first segment from there on that is near enough, and not there. @param {number} first */
  #nextFrom(first) {
    const last = this.#video.currentTime + this.#aheadS
    for (let number = first; number < this.#index.segments.length && number !== -1; number++) {
      const segment = this.#index.segments[number]
      if (segment === undefined || segment.startMs / 1_000 > last) return undefined
      if (!this.#isBuffered(number)) return number
    }
    return undefined
  }

  /** @param {number} number */
  async #load(number) {
    const coming = this.#fetchOnce(number)
    // The one behind it is asked for meanwhile, or the way would be empty between two.
    const second = number === HEADER ? this.#segmentAt(this.#video.currentTime) : this.#nextFrom(number + 1)
    if (second !== undefined && second !== -1) void this.#fetchOnce(second).catch(() => undefined)
    const bytes = await coming
    // A seek came in between: something else is wanted now.
    if (this.#isStopped || bytes === undefined) return
    await this.#append(bytes)
    if (number === HEADER) this.#hasHeader = true
    else this.#step(number)
  }

  /** A seek to where nothing was before lands a moment before the first picture. @param {number} number */
  #step(number) {
    const { buffered, currentTime } = this.#video
    const segment = this.#index.segments[number]
    if (segment === undefined || currentTime * 1_000 >= segment.endMs) return
    for (let i = 0; i < buffered.length; i++) {
      const gap = buffered.start(i) - currentTime
      if (gap > 0 && gap < SLACK_S) this.#video.currentTime = buffered.start(i) + 0.01
    }
  }

  /** Undefined where it is not wanted any more. @param {number} number @returns {Promise<ArrayBuffer | undefined>} */
  #fetchOnce(number) {
    const under = this.#coming.get(number)
    if (under !== undefined) return under
    const coming = this.#fetch(number, this.#wanted.signal).finally(() => {
      if (this.#coming.get(number) === coming) this.#coming.delete(number)
    })
    this.#coming.set(number, coming)
    return coming
  }

  /** @param {number} number @param {AbortSignal} signal */
  async #fetch(number, signal) {
    try {
      const response = await call(`segments/${number}?offer=${this.#offer}`, { signal })
      if (response.ok) return await response.arrayBuffer()
      const { code, message } = await response.json()
      if (code === 'aborted') return undefined
      throw new PlayerError(code, message)
    } catch (error) {
      if (signal.aborted) return undefined
      throw error instanceof PlayerError ? error : new PlayerError('page', 'The program on this machine is gone.')
    }
  }

  /** @param {ArrayBuffer} bytes */
  async #append(bytes) {
    const buffer = this.#buffer
    if (buffer === undefined) return
    const behind = this.#video.currentTime - BEHIND_S
    if (behind > 0 && buffer.buffered.length > 0 && buffer.buffered.start(0) < behind) {
      buffer.remove(0, behind)
      await settled(buffer)
    }
    buffer.appendBuffer(bytes)
    await settled(buffer)
  }

  #endIfWhole() {
    const last = this.#index.segments.length - 1
    const now = this.#segmentAt(this.#video.currentTime)
    if (this.#source.readyState !== 'open' || now === -1) return
    for (let number = now; number <= last; number++) if (!this.#isBuffered(number)) return
    this.#source.endOfStream()
  }

  /** @param {number} seconds */
  #segmentAt(seconds) {
    return this.#index.segments.findIndex(({ endMs }) => seconds * 1_000 < endMs)
  }

  /** @param {number} number */
  #isBuffered(number) {
    const segment = this.#index.segments[number]
    const buffered = this.#buffer?.buffered
    if (segment === undefined || buffered === undefined) return false
    for (let i = 0; i < buffered.length; i++) {
      const isIn = buffered.start(i) <= segment.startMs / 1_000 + SLACK_S
      if (isIn && buffered.end(i) >= segment.endMs / 1_000 - SLACK_S) return true
    }
    return false
  }
}

/** @param {SourceBuffer} buffer @returns {Promise<void>} */
function settled(buffer) {
  return new Promise((resolve, reject) => {
    buffer.addEventListener('updateend', () => resolve(), { once: true })
    buffer.addEventListener('error', () => reject(new PlayerError('media', 'The browser cannot play this film.')), {
      once: true,
    })
  })
}
