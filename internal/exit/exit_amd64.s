#include "textflag.h"

// func faultTwice()
// What the handler takes for its goroutine is not an address.
TEXT ·faultTwice(SB), NOSPLIT, $0-0
	MOVQ TLS, CX
	MOVQ $1, 0(CX)(TLS*1)
	UNDEF
	RET
