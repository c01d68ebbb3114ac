/** Every bound and constant of a peer controller, with its reason. Times in ms. */
import type { BackOffBounds } from '../../floor/back-off.ts'
import { MAX_ROUTES_PER_REQUEST } from '../../medium/limits.ts'

/** spec §8.6: an attempt without outcome for this long is stuck; its time is no sample any more. */
export const STUCK_AFTER_MS: number = 60_000

// -- hedging, spec §8.5 --

/** The shortest pause of a node on a disk, some hundred milliseconds, is no hang. */
export const MIN_HEDGE_MS: number = 1_000
export const MAX_HEDGE_MS: number = 60_000
/** Samples that percentiles are taken over, of each route and of all routes of a peer. */
export const HEDGE_SAMPLES: number = 256
/** Room for samples to begin with, doubling: an idle connection has seen one or two. */
export const MIN_SAMPLES_ROOM: number = 2
/** A route has a delay of its own from so many samples on; before, it is taken for one like the others. */
export const MIN_ROUTE_SAMPLES: number = 32
/** Fewer than these have no tail: the deviation is used, as RFC 6298 does. */
export const MIN_HEDGE_SAMPLES: number = 32
/** Copies go when so many times the share that hangs is still out: of these copies half are for what hangs ... */
export const HEDGE_HANGS: number = 2
/** ... from the second largest of the samples on, where nothing hangs, down to what nine of ten take ... */
export const MIN_HEDGE_TAIL: number = 0.004
export const MAX_HEDGE_TAIL: number = 0.1
/** ... and a little later, as samples are of a while ago; so much more where less hangs than is usual. */
export const HEDGE_FACTOR: number = 1.1
export const HEDGE_CALM_FACTOR: number = 0.5
/** So many times the smoothed time is what 98 of 100 take, at that jitter. */
export const HEDGE_SMOOTHED_FACTOR: number = 3
/** Median over base from which on payments queue, so that more in flight makes each of them slower. */
export const HEDGE_QUEUE: number = 2
/** So many times longer than what has settled takes what goes now, at most, where payments queue. */
export const MAX_SLOWING: number = 3
/** Gain of how many were in flight with what settles: about those that settled last. */
export const IN_FLIGHT_GAIN: number = 1 / 16
export const HEDGE_P99_FACTOR: number = 1.2
/**
 * Before the first sample, for each channel on the way: of payments over slow hops (a median of 1 s each) two in ten
 * take longer, of others hardly any.
 */
export const HEDGE_UNKNOWN_HOP_MS: number = 1_500
export const MIN_HEDGE_UNKNOWN_MS: number = 3_000
export const MAX_HEDGE_UNKNOWN_MS: number = 10_000
/** Copies that are free, before any packet was sent: what a small transfer meets where one payment in ten hangs. */
export const HEDGE_START: number = 16
/** Copies of what is late, as a share of the packets sent, where nothing hangs: payments that are slow ... */
export const HEDGE_SHARE: number = 0.03
/** ... and so many more for each that hangs. */
export const HEDGE_HANG_FACTOR: number = 4
/** Copies of what is not late yet, as a share of the packets sent. */
export const EARLY_SHARE: number = 0.01
/** What hangs of the public network's payments, and how many payments of our own weigh as much as that. */
export const HANG_PRIOR_SHARE: number = 0.01
export const HANG_PRIOR_PAYMENTS: number = 100
/** What was decided 350 payments ago counts half. */
export const HANG_MEMORY: number = 0.998

// -- the window, spec/decisions/0009 --

/**
 * To begin with: below the slots of any implementation together with the reserve, and three doublings below what 2 s
 * and 100 payments a second need.
 */
export const WINDOW_START: number = 32
/** spec §9.7 */
export const WINDOW_START_ANONYMOUS: number = 2
/** spec §9.7: so many more for each settlement: from 2 to 100 in four round trips, not in six. */
export const WINDOW_GROWTH_ANONYMOUS: number = 2
/**
 * An anonymous peer's third attempt, when two hang (spec §9.7): the longest hedge delay before samples, since who
 * connects waits for an answer, and its copy may hang, too. Each further one after twice the time.
 */
export const ANONYMOUS_THIRD_MS: number = 10_000
/** Never less: one for data while another hangs. */
export const MIN_WINDOW: number = 2
/** Never more, over all channels: two lnd channels full. */
export const MAX_WINDOW: number = 966
/**
 * Nor more than this for each first channel: half of what an lnd channel admits, so that one peer leaves room
 * for others and for the node's own forwards (spec/decisions/0009).
 */
export const MAX_CHANNEL_WINDOW: number = 256
/** Control packets (ACK, PING, OPEN ...), and what is alone of its connection, go beyond a window that data fills. */
export const WINDOW_CONTROL_EXTRA: number = 4
/** So may copies, but for one of these places, or a sixteenth of the window: twice what a share of 7 % needs. */
export const WINDOW_COPIES_DIVISOR: number = 16

/** Payments whose median is the latency of now. */
export const MEDIAN_SAMPLES: number = 128
/** Share of a round's deliveries at which there was more to send, for a round of the slow start to be judged. */
export const START_FULL: number = 0.9
/** Fewer samples than these are no median. */
export const MIN_MEDIAN_SAMPLES: number = 8
/**
 * Payments that were sent so many medians ago are back, but for one in thirty at a jitter of 0.6 (of the logarithm).
 */
export const RIPE_MEDIANS: number = 3
/** Payments, in the order of sending, whose median may be the base. */
export const RIPE_SAMPLES: number = 32
/** Deliveries that wait for it: as many as there can be in flight, so many times over. */
export const MAX_YOUNG_DELIVERIES: number = 4 * 966
/** The base latency is the least window median of the last one to two such spans. */
export const BASE_SPAN_MS: number = 300_000
/** A window that was not used for so long begins again at half its size. */
export const IDLE_RESTART_MS: number = 60_000

/** Slow start ends when two rounds in a row each bring less than this times the rate before ... */
export const MIN_START_GAIN: number = 1.15
/** ... while payments take this many times the base latency: one of the two alone is noise. */
export const START_QUEUE: number = 1.4
/** A round of the slow start is a round trip, but no shorter than this: nodes pause for hundreds of milliseconds. */
export const MIN_START_ROUND_MS: number = 800

// -- overdue attempts: in flight still, but no service that is waited for --

/** An attempt that is this late, and was overtaken, leaves the window. */
export const MIN_OVERDUE_MS: number = 1_000
export const OVERDUE_FACTOR: number = 1.5
/** Overtaken: this many times the payments then in flight were delivered since, and at least this many. */
export const OVERTAKEN_FACTOR: number = 2
export const MIN_OVERTAKEN: number = 8

// -- slots of a first channel --

/** Peers with a known key leave a sixteenth of a channel to the node's other traffic: 2 of 30, 31 of 483. */
export const SLOT_SHARE_NUMERATOR: number = 15
export const SLOT_SHARE_DENOMINATOR: number = 16
/** Of the share of a small channel, so much may be used later, in slots times ms: a round trip's worth of a slot. */
export const MAX_SHARE_LEFT_MS: number = 1_000
/** What was used beyond the share is made up for, up to so much: payments take seconds, those that hang take hours. */
export const MAX_SHARE_OWED_MS: number = 10_000
/** spec §9.7: all anonymous peers together have a quarter, or so many where half of the channel's are as many. */
export const SLOT_ANONYMOUS_DIVISOR: number = 4
export const SLOT_ANONYMOUS_LEAST: number = 4
/** The last quarter of a share is for peers that hold less than their part of it. */
export const SLOT_FAIR_DIVISOR: number = 4
/** Overdue and stuck attempts may fill half of the share of a channel before they count in the window. */
export const HUNG_DIVISOR: number = 2
/** When another peer holds the last slots, look again after this. */
export const SLOT_RETRY_MS: number = 200
/** After a local failure: wait for a resolution, or for this, doubling. */
export const LOCAL_BACKOFF: BackOffBounds = { minMs: 200, maxMs: 30_000 }
/** After so many refusals without a delivery, look for routes over another channel. */
export const LOCAL_REFUSALS_MANY: number = 3
/** Growth of a channel's cap per delivery: an eighth per round trip. */
export const LOCAL_REGROWTH: number = 0.125
/** So many round trips after the last refusal the cap doubles each round trip: others have gone. */
export const LOCAL_CALM_ROUND_TRIPS: number = 8
/** Round trip to assume for "halve once a round trip" before there is a sample. */
export const ROUND_TRIP_UNKNOWN_MS: number = 1_000

// -- slots of other channels, spec/decisions/0017 --

/** A channel's share of refusals is taken over so many attempts at about the same level, more where more fly. */
export const MAX_REFUSAL_SAMPLES: number = 32
/** Growth of what a channel takes at once, per attempt that it takes while it refuses none: a quarter a round trip. */
export const CAP_GROWTH: number = 0.25
/** Fewer attempts than these at a level say nothing about it. */
export const MIN_REFUSAL_SAMPLES: number = 12
/** A channel may refuse this share of attempts, beside what it refuses by chance: fewer would leave its slots empty. */
export const REFUSALS_WORTH: number = 0.2
/** Half as many in flight of which less than this times as large a share passes: refusals are by chance. */
export const CROWDED_GAIN: number = 1.2
/** Most that is taken for chance: above it a channel is as good as closed. */
export const MAX_BY_CHANCE: number = 0.5

// -- routes --

/** Asked for at first: a main one, one for hedges, one to fall back on. */
export const ROUTES_WANTED: number = 3
/** Asked for at most, where each further one brings more: as many as one request may name. */
export const MAX_ROUTES_WANTED: number = MAX_ROUTES_PER_REQUEST
/** Kept at most: those of now, and half as many of answers before that still earn their place. */
export const MAX_KNOWN_ROUTES: number = 24
/** Round trips in which new routes show what they bring: two to fill them, one to count. */
export const GROWTH_ROUNDS: number = 3
/** New routes that bring this times what came before are worth it: others are asked for. */
export const GROWTH_WORTH: number = 1.1
/** In flight at most on a new route beside others, and one more for each delivery: it may lead nowhere. */
export const ROUTE_START: number = 8
/** A whole route, spec §9.6: lnd's own bound on outgoing HTLCs (`max-cltv-expiry`), two weeks. */
export const MAX_ROUTE_CLTV: number = 2_016
/** Fees and liquidity move: ask again after this, if the routes are in use. */
export const ROUTES_RENEW_MS: number = 600_000
/** A route that fails, or a wish for a disjoint one, asks anew this often at most. */
export const ROUTES_ASK_AGAIN_MS: number = 30_000
export const ROUTES_BACKOFF_MS: number = 1_000
export const ROUTES_BACKOFF: BackOffBounds = { minMs: ROUTES_BACKOFF_MS, maxMs: 60_000 }
/** Back-offs are spread by up to this share, so that peers don't ask in step. */
export const BACKOFF_JITTER: number = 0.25
/** Gain of the smoothed latency and success of a route. */
export const ROUTE_GAIN: number = 1 / 16
/** Failures are forgotten by half in this time without a sample. */
export const PENALTY_HALF_LIFE_MS: number = 60_000
/** So many failures in a row, without a success between, suspend a route: at 30 % failing this is 1 in 170,000. */
export const ROUTE_DEAD_STREAK: number = 10
/** spec §8.10: an interceptor whose stream dropped is back within a second or so; doubling. */
export const ROUTE_SUSPENSION: BackOffBounds = { minMs: 1_000, maxMs: 60_000 }
/** In flight at most on a route that failed so often, until one settles. */
export const MAX_PROBES: number = 2
/** Weight of a route that only serves to be known, and of every route but the first to begin with. */
export const MIN_ROUTE_WEIGHT: number = 1 / 32
/** Weights are moved by this power of the routes' ratio, once a round trip. */
export const ROUTE_WEIGHT_POWER: number = 0.5

// -- steady climbing on the delivered rate --

/**
 * Two sizes are tried in turn, apart by this factor: 25 % while nothing is queued, more where a smaller one costs
 * nothing.
 */
export const PROBE_RATIO: number = 1.25
export const PROBE_RATIO_QUEUED: number = 1.4
/** Median over base from which on payments are queued for certain. */
export const PROBE_QUEUED: number = 1.6
/** A size is measured over so many deliveries, if they come within so many medians. */
export const PROBE_DELIVERIES: number = 128
export const MAX_PROBE_MEDIANS: number = 6
export const MIN_PROBE_MS: number = 500
/** In flight on average, as a share of the window, for a measurement to speak about the window. */
export const PROBE_FULL: number = 0.9
/**
 * Worth it: ln(rate) per ln(in flight). 25 % more in flight that bring 3 % are 0.13; the first design named 5 %, 0.22,
 * which on a network whose rate bends slowly stops a fifth below what it gives.
 */
export const GAIN_WORTH: number = 0.13
/** Of what is known of a size, so much is kept after each comparison. */
export const GAIN_MEMORY: number = 0.7
/** A latency that changed by this factor from one measurement to the next makes it forget all. */
export const GAIN_FORGET: number = 1.6
/** Spread of the expectation that comes from the latency alone, before anything was compared. */
export const GAIN_PRIOR_SPREAD: number = 0.3
/** At this many base latencies the expectation is just what is worth it. 2 would cost 4 % over three simulated hops. */
export const QUEUE_NEUTRAL: number = 2.5
export const MAX_GAIN_PRIOR: number = 0.6
/** ln(window) moves by this times what the gain is above or below its worth. */
export const GAIN_STEP: number = 0.6
/**
 * At this many base latencies the queue is too long whatever the rate says: two senders at one bottleneck both gain by
 * queueing.
 */
export const MAX_QUEUE: number = 6
export const QUEUE_STEP_DOWN: number = 0.8
/** Between this and MAX_QUEUE who loses by stepping back holds: the queue is another's. */
export const QUEUE_ABSURD: number = 10
export const QUEUE_LOSS: number = 0.4
/**
 * A peer that begins while others of the process queue over the same channel takes its first latencies for this much
 * longer than the base, at most.
 */
export const MAX_QUEUE_OTHERS: number = 3
/** A rate that changes by this factor from one measurement to the next, beside what is in flight, is not our doing. */
export const MIN_SLOWER: number = 1.4
/** So many times slower than its base a medium may be by itself. */
export const MAX_SLOWER: number = 3
/** Part of it that is forgotten with each measurement: what stays slow may as well be a queue of ours. */
export const SLOWER_DECAY: number = 0.05
/** ln(rate) per ln(in flight) to expect between two measurements. */
export const SLOWER_GAIN: number = 0.3
/** Below this many base latencies nothing is queued: grow by this, each measurement. */
export const QUEUE_NONE: number = 1.3
export const QUEUE_NONE_GROWTH: number = 1.5
/** Where this share fails, more in flight is not expected to bring more: a relay may have no slots left. */
export const FAILING_CROWDED: number = 0.5
/** Up to this share fails by chance on a bad network; above it, more in flight has to show that it brings more. */
export const FAILING_RANDOM: number = 0.25
