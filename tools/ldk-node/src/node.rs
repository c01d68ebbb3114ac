//! The node: LDK's parts, joined, and kept in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use bitcoin::{Block, BlockHash, Network};
use lightning::bitcoin;
use lightning::chain::chainmonitor::ChainMonitor;
use lightning::chain::channelmonitor::ChannelMonitor;
use lightning::chain::{BestBlock, Filter, Listen, Watch};
use lightning::events::bump_transaction::BumpTransactionEvent;
use lightning::events::{Event, HTLCHandlingFailureReason, ReplayEvent};
use lightning::ln::channelmanager::{ChainParameters, ChannelManager, ChannelManagerReadArgs};
use lightning::ln::msgs::SocketAddress;
use lightning::ln::peer_handler::{IgnoringMessageHandler, MessageHandler, PeerManager};
use lightning::routing::gossip::{NetworkGraph, NodeId, P2PGossipSync};
use lightning::routing::scoring::ProbabilisticScorer;
use lightning::routing::utxo::UtxoLookup;
use lightning::sign::{ChangeDestinationSourceSync, EntropySource, InMemorySigner, KeysManager, NodeSigner};
use lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE, KVStoreSync, MonitorUpdatingPersister,
};
use lightning::util::ser::{ReadableArgs, Writeable};
use lightning::util::sweep::OutputSweeperSync;
use lightning_background_processor::{BackgroundProcessor, GossipSync, NO_LIQUIDITY_MANAGER_SYNC, NO_ONION_MESSENGER};
use lightning_net_tokio::SocketDescriptor;
use lightning_persister::fs_store::FilesystemStore;
use serde_json::json;

use crate::chain::{Broadcaster, Fees};
use crate::lines::{Log, say};
use crate::no_routes::NoRoutes;
use crate::settings::Settings;

/// A monitor is written whole once in so many updates; in between, each update is a small file of its own.
const UPDATES_BETWEEN_MONITORS: u64 = 100;
/// How often the node looks whether it has more to announce.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
const ALIAS_BYTES: usize = 32;

type Persister = MonitorUpdatingPersister<
    Arc<FilesystemStore>,
    Arc<Log>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<Broadcaster>,
    Arc<Fees>,
>;
type SomeFilter = dyn Filter + Send + Sync;
type Monitors = ChainMonitor<
    InMemorySigner,
    Arc<SomeFilter>,
    Arc<Broadcaster>,
    Arc<Fees>,
    Arc<Log>,
    Arc<Persister>,
    Arc<KeysManager>,
>;
pub type Channels = ChannelManager<
    Arc<Monitors>,
    Arc<Broadcaster>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<Fees>,
    Arc<NoRoutes>,
    Arc<NoRoutes>,
    Arc<Log>,
>;
type Graph = NetworkGraph<Arc<Log>>;
type Gossip = P2PGossipSync<Arc<Graph>, Arc<dyn UtxoLookup + Send + Sync>, Arc<Log>>;
pub type Peers = PeerManager<
    SocketDescriptor,
    Arc<Channels>,
    Arc<Gossip>,
    Arc<IgnoringMessageHandler>,
    Arc<Log>,
    Arc<IgnoringMessageHandler>,
    Arc<KeysManager>,
    Arc<Monitors>,
>;
type NoSweeper = OutputSweeperSync<
    Arc<Broadcaster>,
    Arc<dyn ChangeDestinationSourceSync + Send + Sync>,
    Arc<Fees>,
    Arc<SomeFilter>,
    Arc<FilesystemStore>,
    Arc<Log>,
    Arc<KeysManager>,
>;
type NoScorer = RwLock<ProbabilisticScorer<Arc<Graph>, Arc<Log>>>;

/// What passed through the node since it was started.
#[derive(Default)]
pub struct Counts {
    pub forwarded: AtomicU64,
    pub fees_msat: AtomicU64,
    /// HTLCs that were failed, by LDK's name of the reason; 'Downstream' where the next node failed it.
    pub failures: Mutex<BTreeMap<String, u64>>,
}

pub struct Node {
    pub channels: Arc<Channels>,
    pub peers: Arc<Peers>,
    pub counts: Arc<Counts>,
    pub graph: Arc<Graph>,
    listen: std::net::SocketAddr,
    alias: String,
    monitors: Arc<Monitors>,
    gossip: Arc<Gossip>,
    store: Arc<FilesystemStore>,
    log: Arc<Log>,
    /// Read from the folder; they move to `monitors` once they know the chain.
    waiting: Mutex<Vec<ChannelMonitor<InMemorySigner>>>,
    background: Mutex<Option<BackgroundProcessor>>,
}

impl Node {
    /// Reads the node from its folder, or makes a new one. It does nothing until `start`.
    pub fn open(settings: Settings) -> Result<Node, String> {
        let Settings { folder, listen, alias, tip, log_level, config } = settings;
        let now = since_epoch();
        let log = Arc::new(Log { from: log_level });
        let seed = seed(&folder)?;
        let keys = Arc::new(KeysManager::new(&seed, now.as_secs(), now.subsec_nanos(), true));
        let (fees, broadcaster, no_routes) = (Arc::new(Fees), Arc::new(Broadcaster), Arc::new(NoRoutes));
        let store = Arc::new(FilesystemStore::new(folder.join("store")));
        let persister = Arc::new(MonitorUpdatingPersister::new(
            store.clone(),
            log.clone(),
            UPDATES_BETWEEN_MONITORS,
            keys.clone(),
            keys.clone(),
            broadcaster.clone(),
            fees.clone(),
        ));
        let read = persister.read_all_channel_monitors_with_updates().map_err(|error| format!("monitors: {error}"))?;
        let waiting: Vec<_> = read.into_iter().map(|(_, monitor)| monitor).collect();
        let monitors: Arc<Monitors> = Arc::new(ChainMonitor::new(
            None,
            broadcaster.clone(),
            log.clone(),
            fees.clone(),
            persister,
            keys.clone(),
            keys.get_peer_storage_key(),
        ));
        let stored = store.read(
            CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_KEY,
        );
        let channels = match stored {
            Ok(bytes) => {
                let arguments = ChannelManagerReadArgs::new(
                    keys.clone(),
                    keys.clone(),
                    keys.clone(),
                    fees,
                    monitors.clone(),
                    broadcaster,
                    no_routes.clone(),
                    no_routes,
                    log.clone(),
                    config,
                    waiting.iter().collect(),
                );
                let (_, channels) = <(BlockHash, Channels)>::read(&mut &bytes[..], arguments)
                    .map_err(|error| format!("channel manager: {error:?}"))?;
                channels
            }
            Err(error) if error.kind() == lightning::io::ErrorKind::NotFound => ChannelManager::new(
                fees,
                monitors.clone(),
                broadcaster,
                no_routes.clone(),
                no_routes,
                log.clone(),
                keys.clone(),
                keys.clone(),
                keys.clone(),
                config,
                ChainParameters { network: Network::Regtest, best_block: tip },
                now.as_secs() as u32,
            ),
            Err(error) => return Err(format!("channel manager: {error}")),
        };
        let channels = Arc::new(channels);
        let graph = Arc::new(NetworkGraph::new(Network::Regtest, log.clone()));
        let gossip: Arc<Gossip> = Arc::new(P2PGossipSync::new(graph.clone(), None, log.clone()));
        let ignoring = Arc::new(IgnoringMessageHandler {});
        let handler = MessageHandler {
            chan_handler: channels.clone(),
            route_handler: gossip.clone(),
            onion_message_handler: Arc::clone(&ignoring),
            custom_message_handler: ignoring,
            send_only_message_handler: monitors.clone(),
        };
        let random = keys.get_secure_random_bytes();
        let peers = Arc::new(PeerManager::new(handler, now.as_secs() as u32, &random, log.clone(), keys));
        Ok(Node {
            channels,
            peers,
            counts: Arc::new(Counts::default()),
            graph,
            listen,
            alias,
            monitors,
            gossip,
            store,
            log,
            waiting: Mutex::new(waiting),
            background: Mutex::new(None),
        })
    }

    /// The least height that one of its parts knows: it needs the blocks from the next one on.
    pub fn height(&self) -> u32 {
        let waiting = self.waiting.lock().unwrap();
        let heights = waiting.iter().map(|monitor| monitor.current_best_block().height);
        heights.chain([self.channels.current_best_block().height]).min().unwrap_or(0)
    }

    /// Takes the block of a height; parts that know it already are passed over.
    pub fn connect(&self, block: &Block, height: u32) -> Result<(), String> {
        let transactions: Vec<_> = block.txdata.iter().enumerate().collect();
        for monitor in self.waiting.lock().unwrap().iter() {
            if follows(&monitor.current_best_block(), block, height)? {
                let (broadcaster, fees) = (Arc::new(Broadcaster), Arc::new(Fees));
                monitor.block_connected(&block.header, &transactions, height, broadcaster, fees, &self.log);
            }
        }
        if follows(&self.channels.current_best_block(), block, height)? {
            self.channels.block_connected(block, height);
            // Those that wait have had it.
            self.monitors.block_connected(block, height);
        }
        Ok(())
    }

    /// Begins to work, once it knows the chain.
    pub async fn start(self: &Arc<Self>) -> Result<(), String> {
        if self.background.lock().unwrap().is_some() {
            return Err("it works already".to_owned());
        }
        for monitor in self.waiting.lock().unwrap().drain(..) {
            let id = monitor.channel_id();
            self.monitors.watch_channel(id, monitor).map_err(|()| format!("channel {id} cannot be watched"))?;
        }
        let listener = tokio::net::TcpListener::bind(self.listen).await.map_err(|error| format!("listen: {error}"))?;
        let peers = self.peers.clone();
        tokio::spawn(async move {
            loop {
                match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
                    Ok(stream) => drop(tokio::spawn(lightning_net_tokio::setup_inbound(peers.clone(), stream))),
                    Err(error) => say(&json!({ "event": "warning", "what": format!("accept: {error}") })),
                }
            }
        });
        let (counts, channels) = (self.counts.clone(), self.channels.clone());
        let background = BackgroundProcessor::start(
            self.store.clone(),
            move |event| handle(event, &counts, &channels),
            self.monitors.clone(),
            self.channels.clone(),
            NO_ONION_MESSENGER,
            GossipSync::p2p(self.gossip.clone()),
            self.peers.clone(),
            NO_LIQUIDITY_MANAGER_SYNC,
            None::<Arc<NoSweeper>>,
            self.log.clone(),
            None::<Arc<NoScorer>>,
        );
        *self.background.lock().unwrap() = Some(background);
        tokio::spawn(self.clone().announce());
        Ok(())
    }

    /// Ends as its owner would: what it knows is on disk afterwards.
    pub fn stop(&self) -> Result<(), String> {
        self.peers.disconnect_all_peers();
        match self.background.lock().unwrap().take() {
            Some(background) => background.stop().map_err(|error| format!("state: {error}")),
            // A node that never began has a state, too: the blocks that it was given.
            None => self
                .store
                .write(
                    CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
                    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
                    CHANNEL_MANAGER_PERSISTENCE_KEY,
                    self.channels.encode(),
                )
                .map_err(|error| format!("state: {error}")),
        }
    }

    /// Says who it is whenever the number of its public channels has changed: before the first one nobody listens.
    async fn announce(self: Arc<Self>) {
        let own = NodeId::from_pubkey(&self.channels.get_our_node_id());
        let mut alias = [0; ALIAS_BYTES];
        let length = self.alias.len().min(ALIAS_BYTES);
        alias[..length].copy_from_slice(&self.alias.as_bytes()[..length]);
        let mut told = 0;
        loop {
            tokio::time::sleep(ANNOUNCE_EVERY).await;
            let public = self.graph.read_only().node(&own).map_or(0, |node| node.channels.len());
            if public != told && public > 0 {
                let address = SocketAddress::from(self.listen);
                self.peers.broadcast_node_announcement([0; 3], alias, vec![address]);
            }
            told = public;
        }
    }
}

/// Whether a block is the next one; an error where one in between is missing, or where it belongs to another chain.
fn follows(best: &BestBlock, block: &Block, height: u32) -> Result<bool, String> {
    if height <= best.height {
        return Ok(false);
    }
    if height > best.height + 1 || block.header.prev_blockhash != best.block_hash {
        return Err(format!("block {height} does not follow {} at {}", best.block_hash, best.height));
    }
    Ok(true)
}

/// LDK asks again for an event that returns an error; none of these has to.
fn handle(event: Event, counts: &Counts, channels: &Channels) -> Result<(), ReplayEvent> {
    match event {
        Event::OpenChannelRequest { temporary_channel_id, counterparty_node_id, .. } => {
            if let Err(error) = channels.accept_inbound_channel(&temporary_channel_id, &counterparty_node_id, 0, None) {
                say(&json!({ "event": "warning", "what": format!("a channel was refused: {error:?}") }));
            }
        }
        Event::FundingGenerationReady {
            temporary_channel_id,
            counterparty_node_id,
            channel_value_satoshis,
            output_script,
            ..
        } => {
            let address = bitcoin::Address::from_script(&output_script, Network::Regtest);
            say(&json!({
                "event": "funding",
                "channel": temporary_channel_id.to_string(),
                "peer": counterparty_node_id.to_string(),
                "capacitySat": channel_value_satoshis,
                "address": address.map(|address| address.to_string()).unwrap_or_default(),
            }));
        }
        Event::PaymentForwarded { total_fee_earned_msat, .. } => {
            counts.forwarded.fetch_add(1, Ordering::Relaxed);
            counts.fees_msat.fetch_add(total_fee_earned_msat.unwrap_or(0), Ordering::Relaxed);
        }
        Event::HTLCHandlingFailed { failure_reason, .. } => {
            let reason = match failure_reason {
                Some(HTLCHandlingFailureReason::Local { reason }) => format!("{reason:?}"),
                Some(HTLCHandlingFailureReason::Downstream) => "Downstream".to_owned(),
                None => "Unknown".to_owned(),
            };
            *counts.failures.lock().unwrap().entry(reason).or_default() += 1;
        }
        Event::ChannelClosed { channel_id, reason, .. } => {
            say(&json!({ "event": "closed", "channel": channel_id.to_string(), "reason": reason.to_string() }));
        }
        // It has no coins to pay more with: the transaction has to do as it is.
        Event::BumpTransaction(BumpTransactionEvent::ChannelClose { commitment_tx, .. }) => {
            use lightning::chain::chaininterface::BroadcasterInterface;
            Broadcaster.broadcast_transactions(&[&commitment_tx]);
        }
        _ => {}
    }
    Ok(())
}

pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// 32 bytes, drawn once and kept.
fn seed(folder: &Path) -> Result<[u8; 32], String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let file = folder.join("seed");
    if !file.exists() {
        let mut drawn = [0; 32];
        let mut source = fs::File::open("/dev/urandom").map_err(|error| format!("randomness: {error}"))?;
        std::io::Read::read_exact(&mut source, &mut drawn).map_err(|error| format!("randomness: {error}"))?;
        fs::write(&file, drawn).map_err(|error| format!("seed: {error}"))?;
    }
    let bytes = fs::read(&file).map_err(|error| format!("seed: {error}"))?;
    bytes.try_into().map_err(|_| "seed: not 32 bytes".to_owned())
}
