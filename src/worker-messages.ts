import type { MetricsSnapshot } from './http/metrics-sum.ts'

/** What a worker tells the first process. */
export type FromWorker =
  | { readonly kind: 'listening'; readonly url: string }
  /** It cannot listen, in words for people. */
  | { readonly kind: 'refused'; readonly problem: string }
  /** Somebody asks it for the metrics of all. */
  | { readonly kind: 'scrape'; readonly id: number }
  /** Its own metrics; without an id its last ones, since it stops. */
  | { readonly kind: 'metrics'; readonly id?: number; readonly metrics: MetricsSnapshot }

/** What the first process tells a worker. */
export type ToWorker =
  | { readonly kind: 'stop' }
  | { readonly kind: 'collect'; readonly id: number }
  | { readonly kind: 'scraped'; readonly id: number; readonly text: string | undefined }
