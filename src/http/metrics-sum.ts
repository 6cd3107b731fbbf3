import {
  type Aggregator,
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'
import type { Metrics } from './metrics.ts'

/** The metrics of one process at one moment, as plain data that can be sent to another. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

/**
 * How processes are put together where it is not a sum and prom-client's choice is not ours: the average would hide
 * one slow process behind those that have nothing to do, and without a time of start nobody can say how long the
 * service has been up.
 */
const AGGREGATORS: Readonly<Record<string, Aggregator>> = {
  process_start_time_seconds: 'min',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
}

/** Asks every gauge, as a scrape does. */
export async function snapshotOf({ registry }: Metrics): Promise<MetricsSnapshot> {
  const metrics = await registry.getMetricsAsJSON()
  return metrics.map(metric => ({
    ...metric,
    aggregator: AGGREGATORS[metric.name] ?? metric.aggregator,
    // JSON has no NaN, which the event loop's gauges show before they have measured anything
    values: metric.values.filter(({ value }) => Number.isFinite(value)),
  }))
}

/** The text of a scrape, summed over processes. */
export async function textOfAll(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return await AggregatorRegistry.aggregate([...snapshots]).metrics()
}

/** What of these is still true when the processes have ended: numbers that only grow. */
export async function countsOf(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const counts = snapshots.map(metrics => metrics.filter(({ type }) => isCount(type)))
  return await AggregatorRegistry.aggregate(counts).getMetricsAsJSON()
}

/** The types say an enum; prom-client gives words. */
function isCount(type: unknown): boolean {
  return type === 'counter' || type === 'histogram'
}
