package bpf

import "github.com/cilium/ebpf/asm"

// failoverFunction is where the kernel takes a request off its path (Linux 5.15 to at
// least 7.3, drivers/nvme/host/multipath.c): void f(struct request *).
const failoverFunction = "nvme_failover_req"

// unassigned is the key under which is counted what could not be told whose it
// was, and what the map had no room for. No disk has the diskseq 0, and nothing
// in sysfs the inode 0.
const unassigned = 0

// noExist is BPF_NOEXIST: make an element, but do not replace one.
const noExist = 1

// The stack of the program: the key, and the count that an element begins
// with.
const (
	keySlot   = -8
	countSlot = -16
)

// failoverInstructions is the program for a hook: it counts one request in the
// map with the descriptor counts, and tells so in the ring buffer with the
// descriptor events.
func failoverInstructions(h Hook, l layout, counts, events int) asm.Instructions {
	p := append(follow(h, l), add(counts)...)
	// A buffer that is full has told already that there is something to see.
	p = append(p,
		asm.LoadMapPtr(asm.R1, events),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keySlot),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
	)
	return append(p, end()...)
}

// add adds one to the count of the key in R6. The map must have the key
// unassigned.
func add(counts int) asm.Instructions {
	p := asm.Instructions{asm.StoreMem(asm.RFP, keySlot, asm.R6, asm.DWord)}
	p = append(p, lookup(counts)...)
	p = append(p, asm.JNE.Imm(asm.R0, 0, "add"))

	// The first one of this life. Another processor may be first: that is no
	// failure, and whoever was, the element is there now.
	p = append(p,
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, countSlot, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, counts),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keySlot),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, countSlot),
		asm.Mov.Imm(asm.R4, noExist),
		asm.FnMapUpdateElem.Call(),
	)
	p = append(p, lookup(counts)...)
	p = append(p, asm.JNE.Imm(asm.R0, 0, "add"))

	// No room.
	p = append(p,
		asm.Mov.Imm(asm.R1, unassigned),
		asm.StoreMem(asm.RFP, keySlot, asm.R1, asm.DWord),
	)
	p = append(p, lookup(counts)...)
	return append(p,
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Imm(asm.R1, 1).WithSymbol("add"),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
	)
}

// end is how programs end.
func end() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return()}
}

// lookup leaves the address of the key's count in R0, or 0.
func lookup(counts int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, counts),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, keySlot),
		asm.FnMapLookupElem.Call(),
	}
}

// follow leaves the diskseq of the request's disk in R6, or 0 where a pointer on
// the way is none: both ways of reading make 0 of that.
func follow(h Hook, l layout) asm.Instructions {
	members := []int16{l.queue, l.disk, l.diskseq}
	if h == Kprobe {
		p := asm.Instructions{asm.LoadMem(asm.R6, asm.R1, l.argument, asm.DWord)}
		for _, offset := range members {
			p = append(p,
				asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, keySlot),
				asm.Mov.Imm(asm.R2, 8),
				asm.Mov.Reg(asm.R3, asm.R6), asm.Add.Imm(asm.R3, int32(offset)),
				asm.FnProbeReadKernel.Call(),
				asm.LoadMem(asm.R6, asm.RFP, keySlot, asm.DWord),
			)
		}
		return p
	}
	p := asm.Instructions{asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord)}
	for _, offset := range members {
		p = append(p, asm.LoadMem(asm.R6, asm.R6, offset, asm.DWord))
	}
	return p
}
