# SPDX-License-Identifier: Apache-2.0
"""Pieces of keepalived.conf: each function returns the text of one block."""


def global_defs(router_id, *lines):
    return "\n".join(["global_defs {", f"    router_id {router_id}"]
                     + [f"    {line}" for line in lines] + ["}\n"])


def vrrp_instance(name="VI_1", *, vrid=51, priority=100, advert_int=1, version=2, vips,
                  interface="eth0", state="BACKUP", auth_pass=None, unicast=None, lines=()):
    """`vips` as written ("10.77.0.100/24"); `unicast` = (own address, [peers])."""
    text = [f"vrrp_instance {name} {{", f"    state {state}", f"    interface {interface}",
            f"    virtual_router_id {vrid}", f"    priority {priority}", f"    version {version}",
            f"    advert_int {advert_int:g}"]
    if unicast:
        text += [f"    unicast_src_ip {unicast[0]}", "    unicast_peer {"]
        text += [f"        {peer}" for peer in unicast[1]] + ["    }"]
    if auth_pass:
        text += ["    authentication {", "        auth_type PASS",
                 f"        auth_pass {auth_pass}", "    }"]
    text += [f"    {line}" for line in lines]
    text += ["    virtual_ipaddress {"] + [f"        {vip}" for vip in vips] + ["    }", "}\n"]
    return "\n".join(text)


TCP_CHECK = "TCP_CHECK {\n            connect_timeout 1\n        }"
HTTP_GET = ("HTTP_GET {\n            url {\n                path /health\n"
            "                status_code 200\n            }\n            connect_timeout 1\n"
            "        }")


def virtual_server(vip, port, reals, *, algo="mh", kind="DR", check=TCP_CHECK, protocol="TCP",
                   lines=(), real_port=None):
    """`reals`: addresses, or (address, weight); NAT may give them another port. `check`: of all of them,
    or by address."""
    text = [f"virtual_server {vip} {port} {{", "    delay_loop 0.5", f"    lb_algo {algo}",
            f"    lb_kind {kind}", f"    protocol {protocol}"]
    text += [f"    {line}" for line in lines]
    for real in reals:
        address, weight = real if isinstance(real, tuple) else (real, 1)
        text += [f"    real_server {address} {real_port or port} {{", f"        weight {weight}",
                 "        retry 1", "        delay_before_retry 0.2"]
        its = check.get(address) if isinstance(check, dict) else check
        text += [f"        {its}"] if its else []
        text += ["    }"]
    return "\n".join(text + ["}\n"])


def vipd(*lines, peers=(), key_file=None):
    """vipd's own block, with connection sync to the peers."""
    text = ["vipd {"] + [f"    {line}" for line in lines]
    if peers:
        text += ["    sync {"] + [f"        peer {peer}" for peer in peers]
        text += [f"        key_file {key_file}", "    }"]
    return "\n".join(text + ["}\n"])
