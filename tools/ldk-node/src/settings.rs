//! How a node is started: one JSON object, its only argument.

use std::path::PathBuf;

use bitcoin::BlockHash;
use lightning::bitcoin;
use lightning::chain::BestBlock;
use lightning::util::config::UserConfig;
use lightning::util::logger::Level;
use serde_json::Value;

pub struct Settings {
    /// Where keys and state are kept.
    pub folder: PathBuf,
    /// Host and port for other nodes.
    pub listen: std::net::SocketAddr,
    pub alias: String,
    /// Where the chain ends: a new node begins there, and has seen nothing before.
    pub tip: BestBlock,
    pub log_level: Level,
    pub config: UserConfig,
}

impl Settings {
    /// Errors name the field.
    pub fn read(text: &str) -> Result<Settings, String> {
        let given: Value = serde_json::from_str(text).map_err(|error| format!("settings: {error}"))?;
        let word = |name: &str| given[name].as_str().ok_or(format!("settings: {name} is missing"));
        let listen = word("listen")?.parse().map_err(|_| "settings: listen is no host and port")?;
        let hash: BlockHash = word("tipHash")?.parse().map_err(|_| "settings: tipHash is no hash of a block")?;
        let height = number::<u32>(&given, "tipHeight")?.ok_or("settings: tipHeight is missing")?;
        Ok(Settings {
            folder: PathBuf::from(word("folder")?),
            listen,
            alias: word("alias")?.to_owned(),
            tip: BestBlock::new(hash, height),
            log_level: if given["debug"] == true { Level::Debug } else { Level::Info },
            config: config(&given)?,
        })
    }
}

/// LDK's own defaults but for what is named here, and for what is given.
fn config(given: &Value) -> Result<UserConfig, String> {
    let mut config = UserConfig::default();
    let handshake = &mut config.channel_handshake_config;
    handshake.minimum_depth = 1;
    handshake.announce_for_forwarding = true;
    // As applications on LDK have it, and lnd: HTLCs pay no fee of the chain.
    handshake.negotiate_anchors_zero_fee_htlc_tx = true;
    config.channel_handshake_limits.force_announced_channel_preference = false;
    // Whoever takes channels with anchors has to say so for each.
    config.manually_accept_inbound_channels = true;
    if let Some(slots) = number(given, "maxHtlcs")? {
        handshake.our_max_accepted_htlcs = slots;
    }
    if let Some(msat) = number(given, "minHtlcMsat")? {
        handshake.our_htlc_minimum_msat = msat;
    }
    if let Some(msat) = number(given, "baseFeeMsat")? {
        config.channel_config.forwarding_fee_base_msat = msat;
    }
    if let Some(ppm) = number(given, "feeRatePpm")? {
        config.channel_config.forwarding_fee_proportional_millionths = ppm;
    }
    if let Some(blocks) = number(given, "timeLockDelta")? {
        config.channel_config.cltv_expiry_delta = blocks;
    }
    config.accept_forwards_to_priv_channels = given["forwardsToPrivate"] == true;
    Ok(config)
}

/// A whole number that fits; nothing where none is given.
pub fn number<T: TryFrom<u64>>(given: &Value, name: &str) -> Result<Option<T>, String> {
    match &given[name] {
        Value::Null => Ok(None),
        value => match value.as_u64().and_then(|whole| T::try_from(whole).ok()) {
            Some(fits) => Ok(Some(fits)),
            None => Err(format!("{name} is {value}, which does not fit")),
        },
    }
}
