// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EverseedVault} from "../EverseedVault.sol";
import {TestBTT} from "../TestBTT.sol";
import {Rig} from "./Rig.sol";

/// Random lives of a vault: two posters with two mandates each, three payees, thieves, an admin who
/// pauses, and time. Most steps are good ones, so that lives get somewhere. It keeps what it saw
/// paid, and fails when a step moves what it must not.
contract Handler is Rig {
    uint64 private constant LIFE = 5000;

    address[2] public posters;
    address[3] public payees;
    uint256[3] private _payeeKeys = [uint256(0xf1), 0xf2, 0xf3];
    uint256 public minted;
    uint256 public stray; // sent to the vault without a deposit
    uint256 public payments;
    mapping(address => uint256) public deposited;
    mapping(address => uint256) public left; // withdrawn, or paid by cheque
    mapping(bytes32 => uint256) private _seen; // paid, by poster, mandate and payee

    constructor() {
        _build();
        vm.warp(1_800_000_000);
        posters = [poster, vm.addr(0xb1)];
        _enrich(posters[1]);
        minted = 2 * RICH;
        for (uint256 i = 0; i < 3; ++i) payees[i] = vm.addr(_payeeKeys[i]);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(posters[i]);
            vault.depositAndOpen(
                1000, bytes32(0), _names(), 2, 600, uint64(block.timestamp) + LIFE
            );
            deposited[posters[i]] = 1000;
        }
    }

    function the() external view returns (EverseedVault, TestBTT) {
        return (vault, token);
    }

    /// What was paid to a payee never falls, and rises only when a cheque is brought.
    modifier watched(bool pays) {
        _;
        for (uint256 i = 0; i < 12; ++i) {
            (address from, address to) = (posters[i / 6], payees[i % 3]);
            bytes32 id = bytes32(i / 3 % 2);
            bytes32 at = keccak256(abi.encode(from, id, to));
            uint256 paid = vault.paid(from, id, to);
            require(pays ? paid >= _seen[at] : paid == _seen[at], "paid moved");
            _seen[at] = paid;
        }
    }

    function _must(address by, bytes memory data) private {
        require(_try(by, data) == 0, "refused");
    }

    function deposit(uint256 who, uint256 amount) external watched(false) {
        address by = posters[who % 2];
        uint256 rich = token.balanceOf(by);
        if (rich == 0 || block.timestamp < vault.pausedUntil()) return;
        amount = 1 + amount % (rich < 3000 ? rich : 3000);
        address to = posters[(who >> 1) % 2];
        vm.prank(by);
        vault.depositFor(to, amount);
        deposited[to] += amount;
    }

    function open(uint256 who, uint256 cap, uint256 life) external watched(false) {
        bytes memory call = abi.encodeCall(
            EverseedVault.openMandate,
            (bytes32(uint256(1)), _names(), 2, cap % 600, uint64(block.timestamp + life % LIFE))
        );
        _try(posters[who % 2], call); // exists already, mostly
    }

    function redeem(uint256 who, uint256 amount, uint256 way) external watched(true) {
        Cheque memory c = _cheque(who, amount);
        bytes memory signatures = _quorum(c, way % 3);
        address from = c.from;
        uint256 before = vault.balanceOf(from);
        uint256 to = (who >> 8) % 3;
        uint256 was = token.balanceOf(payees[to]);
        bytes4 why;
        if ((way >> 8) % 3 == 0) why = _try(address(0xb1), _redeem(c, signatures));
        if ((way >> 8) % 3 == 1) why = _try(address(0xb1), _redeemUpTo(c, signatures));
        if ((way >> 8) % 3 == 2) {
            uint256 next = (to + 1) % 3;
            was = token.balanceOf(payees[next]);
            bytes32 payout = vault.payoutDigest(_digest(c), payees[next]);
            bytes memory by = _signature(_payeeKeys[to], payout);
            why = _try(address(0xb1), _redeemTo(c, signatures, payees[next], by));
            to = next;
        }
        uint256 paid = before - vault.balanceOf(from);
        require(token.balanceOf(payees[to]) - was == paid, "account and payee differ");
        require((why == 0) == (paid > 0), "refused, and paid");
        left[from] += paid;
        if (paid > 0) ++payments;
    }

    /// A thief has one signer's key and brings what it can make of it.
    function steal(uint256 who, uint256 amount, uint256 way) external watched(false) {
        Cheque memory c = _cheque(who, amount);
        uint256 thief = 0xbad + way % 1000;
        bytes memory mine = _signature(thief, _digest(c));
        bytes memory stolen = _signature(signers[way % 3], _digest(c));
        bytes memory both = bytes.concat(mine, stolen);
        if ((way >> 8) % 2 == 1) both = bytes.concat(stolen, mine);
        if ((way >> 8) % 5 == 4) both = bytes.concat(stolen, stolen);
        require(_try(vm.addr(thief), _redeem(c, both)) != 0, "forged");
        require(_try(vm.addr(thief), _redeemUpTo(c, both)) != 0, "forged");
        bytes memory good = _quorum(c, way % 3);
        bytes memory payout = _signature(thief, vault.payoutDigest(_digest(c), vm.addr(thief)));
        require(
            _try(vm.addr(thief), _redeemTo(c, good, vm.addr(thief), payout)) != 0, "redirected"
        );
    }

    function revoke(uint256 who, uint256 odds) external watched(false) {
        if (odds % 8 != 0) return; // or there would soon be nothing to redeem
        bytes32 id = bytes32(odds / 8 % 2);
        _try(posters[who % 2], abi.encodeCall(EverseedVault.revokeMandate, (id)));
    }

    function thaw(uint256 who, uint256 amount) external watched(false) {
        address by = posters[who % 2];
        uint256 balance = vault.balanceOf(by);
        if (balance == 0) return;
        _must(by, abi.encodeCall(EverseedVault.thaw, (1 + amount % balance)));
    }

    function cancelThaw(uint256 who) external watched(false) {
        _try(posters[who % 2], abi.encodeCall(EverseedVault.cancelThaw, ()));
    }

    function withdraw(uint256 who) external watched(false) {
        address by = posters[who % 2];
        (uint256 amount, uint64 ends) = vault.thawOf(by);
        bytes4 why = _try(by, abi.encodeCall(EverseedVault.withdraw, ()));
        require((why == 0) == (amount > 0 && block.timestamp >= ends), "not when it thawed");
        if (why == 0) left[by] += amount;
    }

    function send(uint256 amount) external watched(false) {
        uint256 rich = token.balanceOf(payees[0]);
        if (rich == 0) return;
        amount = 1 + amount % rich;
        vm.prank(payees[0]);
        token.transfer(address(vault), amount);
        stray += amount;
    }

    function pause(bool on) external watched(false) {
        bytes memory call = on
            ? abi.encodeCall(vault.pause, ())
            : abi.encodeCall(vault.unpause, ());
        _try(admin, call);
    }

    function pass(uint256 seconds_) external watched(false) {
        vm.warp(block.timestamp + 1 + seconds_ % (2 * THAW));
    }

    function _cheque(uint256 who, uint256 amount) private view returns (Cheque memory c) {
        bytes32 id = bytes32((who >> 4) % 4 / 3); // the one that is open from the start, mostly
        c = Cheque(posters[who % 2], id, payees[(who >> 8) % 3], 0, uint64(who));
        c.cumulative = vault.paid(c.from, c.mandate, c.to) + amount % 400;
    }
}
