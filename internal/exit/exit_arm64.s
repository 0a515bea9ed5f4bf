#include "textflag.h"

// func faultTwice()
// What the handler takes for its goroutine is not an address.
TEXT ·faultTwice(SB), NOSPLIT, $0-0
	MOVD $1, g
	UNDEF
	RET
