/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest for the tests: its command line's first letter chooses what it does. trial.h tells where
 * things are.
 *
 *   p  for ever: calls a function, executes an instruction over a page end, reads, writes
 *   t  takes 5 timer interrupts, says so on the console, shuts down
 *   c  writes to the console by hypercall, shuts down
 *   f  a triple fault
 *   h  halts with interrupts off
 *   u  executes what cannot be emulated
 *   s  jumps to itself
 *   y  both vCPUs count; the first starts the second
 */
#include "trial.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long start

	.section .text.start, "ax"
	.code32
	.globl start
start:
	cli
	mov %ebx, %edi
	mov $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	mov $0x901, %eax /* NXE, LME, SCE */
	xor %edx, %edx
	wrmsr
	mov $0x80010033, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $1f
	.code64
1:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $stack, %rsp
	mov $0x40000000, %ecx /* the hypercall page */
	mov $calls, %eax
	xor %edx, %edx
	wrmsr
	mov 24(%rdi), %rax /* struct hvm_start_info: the command line */
	mov (%rax), %al
	cmp $'p', %al
	je pages
	cmp $'t', %al
	je timer
	cmp $'c', %al
	je console
	cmp $'f', %al
	je triple
	cmp $'h', %al
	je halt
	cmp $'u', %al
	je unsupported
	cmp $'y', %al
	je two
spin:
	jmp spin

pages:
	incq TRIAL_ROUNDS
	call TRIAL_FIXED
	mov %rax, TRIAL_SEEN
	call across
	mov %rbx, TRIAL_SEEN + 8
at_read:
	mov TRIAL_DATA, %rdx
	mov %rdx, TRIAL_SEEN + 16
	mov TRIAL_ROUNDS, %rdx
	mov %rdx, TRIAL_DATA + 8
	jmp pages

timer:
	lea tick(%rip), %rax
	mov %ax, idt + 0x20 * 16
	movw $0x08, idt + 0x20 * 16 + 2
	movw $0x8e00, idt + 0x20 * 16 + 4
	shr $16, %rax
	mov %ax, idt + 0x20 * 16 + 6
	lidt idt_pointer
	sti
1:
	hlt
	cmpq $5, TRIAL_ROUNDS
	jb 1b
	lea text(%rip), %rsi
	mov $text_end - text, %ecx
	mov $0xe9, %edx
	cld
	rep outsb
	jmp shutdown
tick:
	incq TRIAL_ROUNDS
	iretq

console:
	xor %edi, %edi
	mov $text_end - text, %esi
	mov $text, %edx
	call calls + 18 * 32
	mov %rax, TRIAL_SEEN
	mov $99, %edi /* a command that there is not */
	call calls + 18 * 32
	mov %rax, TRIAL_SEEN + 8
	xor %edi, %edi /* and text that is not mapped */
	mov $1, %esi
	movabs $0x7fff00000000, %rdx
	call calls + 18 * 32
	mov %rax, TRIAL_SEEN + 16
shutdown:
	mov $2, %edi
	mov $reason, %esi
	call calls + 29 * 32
halt:
	cli
	hlt
	jmp halt

triple:
	lidt no_idt
	ud2

unsupported:
	.byte 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1 /* vaddps %zmm1, %zmm0, %zmm0 */
	jmp halt

two:
	mov $1, %esi
	mov $context, %edx
	xor %edi, %edi
	call calls + 24 * 32
	mov $1, %esi
	mov $1, %edi
	call calls + 24 * 32
	mov %rax, TRIAL_SEEN
1:
	incq TRIAL_ROUNDS
	jmp 1b
second:
	incq TRIAL_SECOND
	jmp second

	.section .rodata
text:
	.ascii "trial done\n"
text_end:
reason:
	.long 0
no_idt:
	.word 0
	.quad 0
idt_pointer:
	.word 256 * 16 - 1
	.quad idt
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
gdt_pointer:
	.word . - gdt - 1
	.quad gdt
	.balign 8
context: /* struct vcpu_hvm_context, 64-bit */
	.long 1, 0
	.quad 0, 0, 0, 0, stack2, 0, 0, 0, second, 2
	.quad 0x80010033, pml4, 0x620, 0x901

	/* Pages of their own, at the addresses of trial.h. */
	.section .page.code, "awx"
	.balign 4096
	mov $TRIAL_FIXED_VALUE, %eax
	ret
	.balign 4096
	.skip 4096 - 4
across: /* 4 of its 10 bytes are on the first page */
	movabs $TRIAL_ACROSS_VALUE, %rbx
	ret
	.balign 4096
	.quad TRIAL_DATA_VALUE
	.balign 4096
	.skip 4096 /* TRIAL_ROUNDS and the rest */
calls:
	.skip 4096

	.section .page.tables, "aw"
	.balign 4096
pml4:
	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:
	.quad pd + 7
	.fill 511, 8, 0
pd:
	.set address, 0
	.rept 512
	.quad address + 0x83
	.set address, address + 0x200000
	.endr

	.section .bss
	.balign 4096
idt:
	.skip 4096
	.skip 4096
stack:
	.skip 4096
stack2:
	.section .note.GNU-stack, "", @progbits
