/** What a macaroon has to permit, and no more (spec/lnd.md has the line for lncli bakemacaroon). */
export const PERMISSIONS: readonly string[] = [
  'uri:/lnrpc.Lightning/GetInfo',
  'uri:/lnrpc.Lightning/ListChannels',
  'uri:/lnrpc.Lightning/DescribeGraph',
  'uri:/lnrpc.Lightning/GetNodeInfo',
  'uri:/lnrpc.Lightning/GetChanInfo',
  'uri:/lnrpc.Lightning/QueryRoutes',
  'uri:/lnrpc.Lightning/SubscribeInvoices',
  'uri:/routerrpc.Router/SendToRouteV2',
  'uri:/routerrpc.Router/TrackPaymentV2',
  'uri:/routerrpc.Router/HtlcInterceptor',
  'uri:/signrpc.Signer/DeriveSharedKey',
]
