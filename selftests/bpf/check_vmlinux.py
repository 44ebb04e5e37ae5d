# SPDX-License-Identifier: MIT
"""Compares the types of one BTF dump (bpftool -j) with those of another; see check_vmlinux.sh."""
import json
import sys

CORE_ENUMS = {"skb_drop_reason"}


def load(path):
    with open(path) as f:
        return {t["id"]: t for t in json.load(f)["types"]}


def strip(types, type_id):
    """Through typedefs and qualifiers to the type itself."""
    while types.get(type_id, {}).get("kind") in ("TYPEDEF", "CONST", "VOLATILE", "TYPE_TAG"):
        type_id = types[type_id]["type_id"]
    return types.get(type_id)


def size_of(types, type_id):
    t = strip(types, type_id)
    if t is None:
        return 0
    if t["kind"] == "ARRAY":
        return t["nr_elems"] * size_of(types, t["type_id"])
    return 8 if t["kind"] == "PTR" else t["size"]


def members(types, t, base=0):
    """name -> (bit offset, size in bits), anonymous structs and unions opened up."""
    found = {}
    for m in t.get("members", []):
        offset = base + m["bits_offset"]
        inner = strip(types, m["type_id"])
        if m["name"] in ("", "(anon)"):
            if inner and inner["kind"] in ("STRUCT", "UNION"):
                for name, place in members(types, inner, offset).items():
                    found.setdefault(name, place)
            continue
        bits = m.get("bitfield_size") or 8 * size_of(types, m["type_id"])
        found.setdefault(m["name"], (offset, bits))
    return found


def structs(types):
    return {t["name"]: t for t in types.values() if t["kind"] == "STRUCT"
            and t["name"] != "(anon)" and "members" in t}


def enumerators(types):
    """name -> value; None for those that CO-RE finds by their names"""
    return {v["name"]: None if t["name"] in CORE_ENUMS else v["val"] for t in types.values()
            if t["kind"] in ("ENUM", "ENUM64") for v in t.get("values", [])}


def core_members(types, t, core):
    """Members that are structs of which we list some members only: their sizes mean nothing"""
    inner = {m["name"]: strip(types, m["type_id"]) for m in t["members"]}
    return {name for name, s in inner.items() if s and s["kind"] == "STRUCT" and s["name"] in core}


def check_struct(name, ours, theirs, core, sizeless):
    """Yields a line for each difference."""
    for member, (offset, bits) in ours.items():
        if member not in theirs:
            yield f"struct {name}: the kernel has no member {member}"
        elif not core and theirs[member] != (offset, bits):
            yield (f"struct {name}: {member} is at bit {offset}, {bits} long; "
                   f"the kernel's at {theirs[member][0]}, {theirs[member][1]} long")
        elif core and theirs[member][1] != bits and member not in sizeless:
            yield f"struct {name}: {member} has {bits} bits, the kernel's {theirs[member][1]}"


def main(core_path, ours_path, kernel_path):
    with open(core_path) as f:
        core = set(f.read().split())
    ours, kernel = load(ours_path), load(kernel_path)
    our_structs, kernel_structs = structs(ours), structs(kernel)
    our_values, kernel_values = enumerators(ours), enumerators(kernel)
    faults = [f"struct {name}: in no BTF of ours" for name in core - our_structs.keys()]
    count = 0
    for name, t in our_structs.items():
        if name not in kernel_structs:
            faults.append(f"struct {name}: unknown to the kernel")
            continue
        mine = members(ours, t)
        count += len(mine)
        faults += check_struct(name, mine, members(kernel, kernel_structs[name]), name in core,
                               core_members(ours, t, core))
    for name, value in our_values.items():
        if name not in kernel_values:
            faults.append(f"{name}: unknown to the kernel")
        elif kernel_values[name] != value:
            faults.append(f"{name} is {value}, the kernel's is {kernel_values[name]}")
    for fault in faults:
        print(f"check_vmlinux: {fault}", file=sys.stderr)
    if not core or not our_structs or not our_values:
        sys.exit("check_vmlinux: nothing was compared")
    print(f"check_vmlinux: {len(our_structs)} structs, {count} members, {len(our_values)} constants, "
          f"{len(faults)} differences")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
