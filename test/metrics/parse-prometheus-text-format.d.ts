declare module 'parse-prometheus-text-format' {
  /** Families of metrics, one after the other. @throws for what is no text of Prometheus' */
  export default function parsePrometheusTextFormat(text: string): unknown
}
