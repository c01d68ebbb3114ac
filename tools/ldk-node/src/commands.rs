//! What the node is told: one JSON object a line, each with an `id` that its answer repeats.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::secp256k1::PublicKey;
use lightning::bitcoin;
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::types::ChannelId;
use lightning::util::config::ChannelConfigUpdate;
use serde_json::{Value, json};

use crate::node::Node;
use crate::settings::number;

/// Does what a command asks for. Returns what is answered.
pub async fn obey(node: &Arc<Node>, command: &Value) -> Result<Value, String> {
    match text(command, "method")?.as_str() {
        "info" => info(node),
        "blocks" => blocks(node, command),
        "start" => node.start().await.map(|()| Value::Null),
        "connect" => connect(node, command).await,
        "disconnect" => {
            node.peers.disconnect_by_node_id(key(command)?);
            Ok(Value::Null)
        }
        "channels" => Ok(Value::Array(node.channels.list_channels().iter().map(describe).collect())),
        "policy" => policy(node, command),
        "open" => open(node, command),
        "fund" => fund(node, command),
        "close" => close(node, command),
        other => Err(format!("no such method: {other}")),
    }
}

fn info(node: &Node) -> Result<Value, String> {
    let peers: Vec<String> = node.peers.list_peers().iter().map(|peer| peer.counterparty_node_id.to_string()).collect();
    let failures: BTreeMap<String, u64> = node.counts.failures.lock().unwrap().clone();
    let graph = node.graph.read_only();
    Ok(json!({
        "publicKey": node.channels.get_our_node_id().to_string(),
        "height": node.height(),
        "peers": peers,
        "forwarded": node.counts.forwarded.load(Ordering::Relaxed),
        "feesMsat": node.counts.fees_msat.load(Ordering::Relaxed),
        "failures": failures,
        "graph": { "nodes": graph.nodes().len(), "channels": graph.channels().len() },
    }))
}

/// Blocks in the order of the chain, whole and in hex; `height` is that of the first one.
fn blocks(node: &Node, command: &Value) -> Result<Value, String> {
    let first: u32 = number(command, "height")?.ok_or("height is missing")?;
    for (block, height) in command["blocks"].as_array().ok_or("blocks are missing")?.iter().zip(first..) {
        let hex = block.as_str().ok_or("a block is no text")?;
        node.connect(&deserialize_hex(hex).map_err(|error| format!("block {height}: {error}"))?, height)?;
    }
    Ok(json!({ "height": node.height() }))
}

async fn connect(node: &Node, command: &Value) -> Result<Value, String> {
    let address = text(command, "socket")?.parse().map_err(|_| "socket is no host and port")?;
    match lightning_net_tokio::connect_outbound(node.peers.clone(), key(command)?, address).await {
        Some(disconnected) => drop(tokio::spawn(disconnected)),
        None => return Err(format!("{address} does not answer")),
    }
    Ok(Value::Null)
}

/// Changes what the channels ask for, all or those with one peer. What is not named stays.
fn policy(node: &Node, command: &Value) -> Result<Value, String> {
    let update = ChannelConfigUpdate {
        forwarding_fee_base_msat: number(command, "baseFeeMsat")?,
        forwarding_fee_proportional_millionths: number(command, "feeRatePpm")?,
        cltv_expiry_delta: number(command, "timeLockDelta")?,
        ..ChannelConfigUpdate::default()
    };
    let only = if command["peer"].is_null() { None } else { Some(key(command)?) };
    for channel in node.channels.list_channels() {
        let peer = channel.counterparty.node_id;
        if only.is_none_or(|only| only == peer) {
            node.channels
                .update_partial_channel_config(&peer, &[channel.channel_id], &update)
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    Ok(Value::Null)
}

/// Begins a channel of our own; the event 'funding' says what has to be paid for it.
fn open(node: &Node, command: &Value) -> Result<Value, String> {
    let capacity_sat = number(command, "capacitySat")?.ok_or("capacitySat is missing")?;
    let push_msat = number(command, "pushMsat")?.unwrap_or(0);
    let channel = node
        .channels
        .create_channel(key(command)?, capacity_sat, push_msat, 0, None, None)
        .map_err(|error| format!("{error:?}"))?;
    Ok(json!({ "channel": channel.to_string() }))
}

/// Takes the transaction that pays for a channel. The node sends it once the peer has signed.
fn fund(node: &Node, command: &Value) -> Result<Value, String> {
    let transaction =
        deserialize_hex(&text(command, "transaction")?).map_err(|error| format!("transaction: {error}"))?;
    node.channels
        .funding_transaction_generated(channel_id(command)?, key(command)?, transaction)
        .map_err(|error| format!("{error:?}"))?;
    Ok(Value::Null)
}

fn close(node: &Node, command: &Value) -> Result<Value, String> {
    let (id, peer) = (channel_id(command)?, key(command)?);
    let closed = if command["force"] == true {
        node.channels.force_close_broadcasting_latest_txn(&id, &peer, "closed by its owner".to_owned())
    } else {
        node.channels.close_channel(&id, &peer)
    };
    closed.map(|()| Value::Null).map_err(|error| format!("{error:?}"))
}

fn describe(channel: &ChannelDetails) -> Value {
    let config = channel.config.unwrap_or_default();
    json!({
        "channel": channel.channel_id.to_string(),
        "shortId": channel.short_channel_id.map(|id| format!("{}x{}x{}", id >> 40, (id >> 16) & 0xff_ffff, id & 0xffff)),
        "peer": channel.counterparty.node_id.to_string(),
        "capacitySat": channel.channel_value_satoshis,
        "outboundMsat": channel.outbound_capacity_msat,
        "inboundMsat": channel.inbound_capacity_msat,
        "isUsable": channel.is_usable,
        "isPublic": channel.is_announced,
        "incoming": channel.pending_inbound_htlcs.len(),
        "outgoing": channel.pending_outbound_htlcs.len(),
        "baseFeeMsat": config.forwarding_fee_base_msat,
        "feeRatePpm": config.forwarding_fee_proportional_millionths,
        "timeLockDelta": config.cltv_expiry_delta,
    })
}

fn text(command: &Value, name: &str) -> Result<String, String> {
    command[name].as_str().map(str::to_owned).ok_or(format!("{name} is missing"))
}

/// The peer that a command names.
fn key(command: &Value) -> Result<PublicKey, String> {
    PublicKey::from_str(&text(command, "peer")?).map_err(|_| "peer is no public key".to_owned())
}

fn channel_id(command: &Value) -> Result<ChannelId, String> {
    let bytes: [u8; 32] = bitcoin::hex::FromHex::from_hex(&text(command, "channel")?)
        .map_err(|_| "channel is no id of 32 bytes in hex".to_owned())?;
    Ok(ChannelId(bytes))
}
