// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITRC20} from "@openzeppelin/tron-contracts/token/TRC20/ITRC20.sol";
import {SafeTRC20} from "@openzeppelin/tron-contracts/token/TRC20/utils/SafeTRC20.sol";
import {ReentrancyGuardTransient} from
    "@openzeppelin/tron-contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/tron-contracts/utils/cryptography/ECDSA.sol";
import {TIP712} from "@openzeppelin/tron-contracts/utils/cryptography/TIP712.sol";
import {SafeCast} from "@openzeppelin/tron-contracts/utils/math/SafeCast.sol";
import {Administered} from "./Administered.sol";

/// @title The vault of Everseed
/// @notice Holds the BTT of posters and pays it out against signed, cumulative cheques.
/// A poster deposits, and opens a mandate that names who may sign for how much and until when.
/// Whoever holds a cheque with enough signatures may redeem it; the payee, or whom the payee signed
/// for, gets the difference to what the payee got before. A poster gets the rest back by thawing it
/// first, so that cheques which are under way reach the vault before the money leaves.
/// Signing is delegated by mandate, to any `threshold` of its signers. They are fixed for its life:
/// whoever could change them could name itself and draw the poster's money. To change signers a
/// poster revokes the mandate, which ends it one thaw period later, and opens another one under a
/// new id.
/// Nobody can change this contract. Its admin can stop new deposits and mandates for a week and
/// nothing else.
contract EverseedVault is TIP712, ReentrancyGuardTransient, Administered {
    using SafeTRC20 for ITRC20;
    using SafeCast for uint256;

    struct Account {
        uint128 balance;
        uint128 thawing; // never above balance
        uint64 thawEnds;
    }

    struct Mandate {
        uint128 cap;
        uint64 expiry;
        uint8 threshold; // zero: no such mandate
        uint128 drawn; // never above cap
        address[] signers; // strictly ascending
        mapping(address payee => uint256) paid;
    }

    uint256 public constant MAX_SIGNERS = 32;

    bytes32 private constant CHEQUE = keccak256(
        "Cheque(address from,bytes32 mandate,address to,uint256 cumulative,uint64 bytes)"
    );
    bytes32 private constant PAYOUT = keccak256("Payout(bytes32 cheque,address recipient)");

    ITRC20 private immutable _token;
    uint32 public immutable thawSeconds;

    /// @notice Sum of all balances: what the vault owes and must never hold less than.
    uint256 public obligations;
    mapping(address => Account) private _accounts;
    mapping(address => mapping(bytes32 => Mandate)) private _mandates;

    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event MandateOpened(
        address indexed from, bytes32 indexed mandate,
        address[] signers, uint8 threshold, uint256 cap, uint64 expiry
    );
    event MandateRevoked(address indexed from, bytes32 indexed mandate, uint64 expiry);
    /// @param amount what was paid now
    /// @param cumulative everything paid to this payee under this mandate, amount included
    event Redeemed(
        address indexed from, bytes32 indexed mandate, address indexed to,
        uint256 amount, uint256 cumulative, uint64 bytes_
    );
    /// @notice Follows a `Redeemed` whose amount went to the recipient that its payee signed for.
    event Redirected(
        address indexed from, bytes32 indexed mandate, address indexed to,
        address recipient, uint256 amount
    );
    event ThawStarted(address indexed account, uint256 amount, uint64 ends);
    event ThawCancelled(address indexed account);
    event Withdrawn(address indexed account, uint256 amount);

    error BadAccount(address account);
    error BadSigners();
    error BadThreshold();
    error BadCap();
    error BadExpiry();
    error BadSignatures(); // not exactly threshold × 65 bytes
    error NotASigner(address signer); // or signatures out of order, or one twice
    error MandateExists();
    error NoMandate();
    error MandateExpired(uint64 expiry);
    error MandateEnding(uint64 expiry); // no later than a revocation would end it
    error NotThePayee(address signer);
    error NothingDue(uint256 paid);
    error OverCap(uint256 due, uint256 left);
    error OverBalance(uint256 due, uint256 balance);
    error NothingReceived();
    error NothingThawing();
    error StillThawing(uint64 ends);

    constructor(address token_, uint32 thawSeconds_) TIP712("Everseed Vault", "1") {
        if (token_.code.length == 0) revert BadAccount(token_);
        _token = ITRC20(token_);
        thawSeconds = thawSeconds_;
    }

    // ---- posters ----

    /// @notice Credits the sender with what arrives of `amount`.
    function deposit(uint256 amount) external nonReentrant whenOpen {
        _deposit(msg.sender, amount);
    }

    /// @notice Credits `account` with what arrives of `amount` from the sender.
    function depositFor(address account, uint256 amount) external nonReentrant whenOpen {
        _checkAccount(account);
        _deposit(account, amount);
    }

    /// @notice Lets any `threshold` of `signers` (strictly ascending) sign cheques on the sender's
    /// account up to `cap` in all, to be redeemed until `expiry`.
    function openMandate(
        bytes32 id, address[] calldata signers, uint8 threshold, uint256 cap, uint64 expiry
    ) external nonReentrant whenOpen {
        _open(id, signers, threshold, cap, expiry);
    }

    /// @notice `deposit` and `openMandate` in one.
    function depositAndOpen(
        uint256 amount,
        bytes32 id, address[] calldata signers, uint8 threshold, uint256 cap, uint64 expiry
    ) external nonReentrant whenOpen {
        _deposit(msg.sender, amount);
        _open(id, signers, threshold, cap, expiry);
    }

    /// @notice Ends a mandate of the sender one thaw period from now; until then its cheques stay
    /// redeemable. Refused when it ends by then anyway, so that a mandate is revoked at most once.
    /// Its id does not become free.
    function revokeMandate(bytes32 id) external nonReentrant {
        Mandate storage m = _mandates[msg.sender][id];
        if (m.threshold == 0) revert NoMandate();
        uint64 ends = uint64(block.timestamp) + thawSeconds;
        if (ends >= m.expiry) revert MandateEnding(m.expiry);
        m.expiry = ends;
        emit MandateRevoked(msg.sender, id, ends);
    }

    /// @notice Announces that `amount` of the sender's balance will be withdrawn. Replaces an
    /// earlier announcement and starts its time anew.
    function thaw(uint256 amount) external nonReentrant {
        Account storage a = _accounts[msg.sender];
        if (amount == 0) revert NothingThawing();
        if (amount > a.balance) revert OverBalance(amount, a.balance);
        uint64 ends = uint64(block.timestamp) + thawSeconds;
        a.thawing = uint128(amount);
        a.thawEnds = ends;
        emit ThawStarted(msg.sender, amount, ends);
    }

    function cancelThaw() external nonReentrant {
        Account storage a = _accounts[msg.sender];
        if (a.thawing == 0) revert NothingThawing();
        a.thawing = 0;
        a.thawEnds = 0;
        emit ThawCancelled(msg.sender);
    }

    /// @notice Pays the sender what has thawed, less what cheques drew in the meantime.
    function withdraw() external nonReentrant {
        Account storage a = _accounts[msg.sender];
        uint128 amount = a.thawing;
        if (amount == 0) revert NothingThawing();
        if (block.timestamp < a.thawEnds) revert StillThawing(a.thawEnds);
        _accounts[msg.sender] = Account(a.balance - amount, 0, 0);
        obligations -= amount;
        emit Withdrawn(msg.sender, amount);
        _token.safeTransfer(msg.sender, amount);
    }

    // ---- cheques: anyone may bring one; it pays its payee, or whom the payee signed for ----

    /// @notice Pays `to` what `cumulative` is beyond what was paid before, all of it or nothing.
    /// @param signatures of exactly `threshold` signers, 65 bytes r‖s‖v each with low s, in
    /// strictly ascending order of signer
    function redeem(
        address from, bytes32 mandate, address to, uint256 cumulative, uint64 bytes_,
        bytes calldata signatures
    ) external nonReentrant {
        bytes32 cheque = chequeDigest(from, mandate, to, cumulative, bytes_);
        Mandate storage m = _verified(from, mandate, to, cheque, signatures);
        uint256 due = _inFull(m, from, to, cumulative);
        _book(m, from, mandate, to, due, bytes_);
        _token.safeTransfer(to, due);
    }

    /// @notice Like `redeem`, but pays `recipient`, for whom the payee `to` signed. It is booked as
    /// paid to `to`. The payee signs for one cheque, which pays once, so its signature is spent by
    /// that. Whoever holds the cheque can still redeem it without that signature, to `to`.
    /// @param payeeSignature by `to` over `payoutDigest` of the cheque's digest and `recipient`
    function redeemTo(
        address from, bytes32 mandate, address to, uint256 cumulative, uint64 bytes_,
        bytes calldata signatures, address recipient, bytes calldata payeeSignature
    ) external nonReentrant {
        bytes32 cheque = chequeDigest(from, mandate, to, cumulative, bytes_);
        Mandate storage m = _verified(from, mandate, to, cheque, signatures);
        _checkAccount(recipient);
        address signer = _signer(payoutDigest(cheque, recipient), payeeSignature);
        if (signer != to) revert NotThePayee(signer);
        uint256 due = _inFull(m, from, to, cumulative);
        _book(m, from, mandate, to, due, bytes_);
        emit Redirected(from, mandate, to, recipient, due);
        _token.safeTransfer(recipient, due);
    }

    /// @notice Like `redeem`, but pays what account and mandate still have when that is less.
    function redeemUpTo(
        address from, bytes32 mandate, address to, uint256 cumulative, uint64 bytes_,
        bytes calldata signatures
    ) external nonReentrant {
        bytes32 cheque = chequeDigest(from, mandate, to, cumulative, bytes_);
        Mandate storage m = _verified(from, mandate, to, cheque, signatures);
        uint256 due = _due(m, to, cumulative);
        uint256 left = m.cap - m.drawn;
        if (left == 0) revert OverCap(due, 0);
        uint256 balance = _accounts[from].balance;
        if (balance == 0) revert OverBalance(due, 0);
        if (due > left) due = left;
        if (due > balance) due = balance;
        _book(m, from, mandate, to, due, bytes_);
        _token.safeTransfer(to, due);
    }

    // ---- reading ----

    function token() external view returns (address) {
        return address(_token);
    }

    function balanceOf(address account) external view returns (uint256) {
        return _accounts[account].balance;
    }

    function thawOf(address account) external view returns (uint256 amount, uint64 ends) {
        Account storage a = _accounts[account];
        return (a.thawing, a.thawEnds);
    }

    function mandateOf(address from, bytes32 mandate)
        external
        view
        returns (
            uint8 threshold, uint256 cap, uint256 drawn, uint64 expiry, address[] memory signers
        )
    {
        Mandate storage m = _mandates[from][mandate];
        return (m.threshold, m.cap, m.drawn, m.expiry, m.signers);
    }

    function paid(address from, bytes32 mandate, address to) external view returns (uint256) {
        return _mandates[from][mandate].paid[to];
    }

    /// @notice What the signers of a cheque sign.
    function chequeDigest(
        address from, bytes32 mandate, address to, uint256 cumulative, uint64 bytes_
    ) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(CHEQUE, from, mandate, to, cumulative, bytes_))
        );
    }

    /// @notice What the payee of a cheque signs to have it pay a recipient.
    /// @param cheque the cheque's `chequeDigest`
    function payoutDigest(bytes32 cheque, address recipient) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(PAYOUT, cheque, recipient)));
    }

    // ---- inside ----

    /// @dev Money sent to nobody, the token or the vault itself would be lost.
    function _checkAccount(address account) private view {
        if (account == address(0) || account == address(_token) || account == address(this)) {
            revert BadAccount(account);
        }
    }

    function _deposit(address account, uint256 amount) private {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        if (received == 0) revert NothingReceived();
        _accounts[account].balance += received.toUint128();
        obligations += received;
        emit Deposited(account, msg.sender, received);
    }

    function _open(
        bytes32 id, address[] calldata signers, uint8 threshold, uint256 cap, uint64 expiry
    ) private {
        Mandate storage m = _mandates[msg.sender][id];
        if (m.threshold != 0) revert MandateExists();
        uint256 n = signers.length;
        if (n == 0 || n > MAX_SIGNERS) revert BadSigners();
        if (threshold == 0 || threshold > n) revert BadThreshold();
        if (cap == 0 || cap > type(uint128).max) revert BadCap();
        if (expiry <= block.timestamp) revert BadExpiry();
        address last; // zero, so that nobody cannot be a signer
        for (uint256 i = 0; i < n; ++i) {
            if (signers[i] <= last) revert BadSigners();
            last = signers[i];
        }
        m.cap = uint128(cap);
        m.expiry = expiry;
        m.threshold = threshold;
        m.signers = signers;
        emit MandateOpened(msg.sender, id, signers, threshold, cap, expiry);
    }

    /// @dev Returns the mandate of a cheque that its payee may have and its signers signed.
    function _verified(
        address from, bytes32 mandate, address to, bytes32 cheque, bytes calldata signatures
    ) private view returns (Mandate storage m) {
        _checkAccount(to);
        m = _mandates[from][mandate];
        if (m.threshold == 0) revert NoMandate();
        if (block.timestamp > m.expiry) revert MandateExpired(m.expiry);
        if (signatures.length != uint256(m.threshold) * 65) revert BadSignatures();
        _checkSigners(m, cheque, signatures);
    }

    /// @dev Walks the ascending signatures along the ascending signers, each signer once.
    function _checkSigners(Mandate storage m, bytes32 digest, bytes calldata signatures)
        private
        view
    {
        uint256 n = m.signers.length;
        uint256 next = 0;
        for (uint256 i = 0; i < signatures.length; i += 65) {
            address signer = _signer(digest, signatures[i:i + 65]);
            address candidate = address(0); // which never signs
            while (candidate < signer && next < n) candidate = m.signers[next++];
            if (candidate != signer) revert NotASigner(signer);
        }
    }

    /// @dev Returns who made a signature of 65 bytes with low s, never nobody. On TRON ecrecover
    /// answers with 21 bytes, the first being 0x41. The compiler drops it before it compares, but
    /// does not promise to.
    function _signer(bytes32 digest, bytes calldata signature)
        private
        pure
        returns (address signer)
    {
        signer = ECDSA.recoverCalldata(digest, signature);
        assembly ("memory-safe") {
            signer := and(signer, 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    function _due(Mandate storage m, address to, uint256 cumulative)
        private
        view
        returns (uint256)
    {
        uint256 before = m.paid[to];
        if (cumulative <= before) revert NothingDue(before);
        return cumulative - before;
    }

    /// @dev Returns what is due when mandate and account have all of it.
    function _inFull(Mandate storage m, address from, address to, uint256 cumulative)
        private
        view
        returns (uint256 due)
    {
        due = _due(m, to, cumulative);
        uint256 left = m.cap - m.drawn;
        if (due > left) revert OverCap(due, left);
        uint256 balance = _accounts[from].balance;
        if (due > balance) revert OverBalance(due, balance);
    }

    /// @dev Books a payment, which the caller then makes. `due` is within cap and balance.
    function _book(
        Mandate storage m, address from, bytes32 mandate, address to, uint256 due, uint64 bytes_
    ) private {
        Account storage a = _accounts[from];
        uint256 cumulative = m.paid[to] + due;
        m.paid[to] = cumulative;
        m.drawn += uint128(due);
        uint128 balance = a.balance - uint128(due);
        a.balance = balance;
        if (a.thawing > balance) a.thawing = balance; // cheques go before withdrawals
        obligations -= due;
        emit Redeemed(from, mandate, to, due, cumulative, bytes_);
    }
}
