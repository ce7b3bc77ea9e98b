# SPDX-License-Identifier: Apache-2.0
"""A small network laboratory in namespaces: what the demo and the namespace tests are built of.

netns    namespaces, links, running commands and opening sockets inside one
lab      Lab: owns everything made here and takes all of it away again
daemon   vipd and keepalived as processes with a configuration, a log and a state
routers  FRR's vrrpd and bfdd, and BIRD, as peers
web      nginx as a real server
flood    far too many adverts
wire     packets: sniffing and sending on a node's interface, as scapy packets
load     drives loadgen.py, the client with a thousand downloads and a stream of requests
"""
