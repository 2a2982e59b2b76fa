// Package control injects faults into a running target over a unix socket: one
// request in JSON on a line, one answer on a line, as many as wanted.
//
//	{"do":"show"}
//	{"do":"cut","port":1}                        {"do":"repair","port":1}
//	{"do":"drop","port":1,"queue":1}             without queue: all of the port
//	{"do":"black-hole","port":1,"queue":1}       {"do":"restore","port":1,"queue":1}
//	{"do":"ana","port":1,"group":1,"state":"inaccessible"}
//	{"do":"inject","fault":{"port":1,"commands":"read","count":5,"status":"0x302"}}
//	{"do":"inject","fault":{"commands":"io","delay":"100ms"}}
//	{"do":"inject","fault":{"port":1,"commands":"write","count":1,"hold":"2s"}}
//	{"do":"inject","fault":{"commands":"connect","count":1,"drop":true}}
//	{"do":"clear","id":1}                        without id: all faults
//
// An answer is {} with what the request asks for, or {"error":"..."}.
package control
