// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the vault's admin can do, all of it
/// @notice An admin, first the deployer, can stop new deposits and mandates for a week, and at most
/// every other week. It can pass its office on to an account that accepts it.
abstract contract Administered {
    uint64 public constant PAUSE = 7 days;

    address public admin;
    address public pendingAdmin;
    uint64 public pausedUntil;

    event Paused(uint64 until);
    event Unpaused();
    event AdminOffered(address indexed to);
    event AdminChanged(address indexed to);

    error DepositsPaused(uint64 until);
    error PausedLately(uint64 until);
    error NotAdmin();

    modifier onlyAdmin() {
        if (msg.sender != admin) revert NotAdmin();
        _;
    }

    modifier whenOpen() {
        if (block.timestamp < pausedUntil) revert DepositsPaused(pausedUntil);
        _;
    }

    constructor() {
        admin = msg.sender;
        emit AdminChanged(msg.sender);
    }

    /// @notice Stops deposits and mandates. The pause lapses by itself.
    function pause() external onlyAdmin {
        if (pausedUntil != 0 && block.timestamp < pausedUntil + PAUSE) {
            revert PausedLately(pausedUntil);
        }
        pausedUntil = uint64(block.timestamp) + PAUSE;
        emit Paused(pausedUntil);
    }

    /// @notice Ends a pause early. It still counts as lately.
    function unpause() external onlyAdmin {
        if (block.timestamp < pausedUntil) {
            pausedUntil = uint64(block.timestamp);
            emit Unpaused();
        }
    }

    /// @notice Offers the office to `to`; to nobody, it takes an earlier offer back.
    function offerAdmin(address to) external onlyAdmin {
        pendingAdmin = to;
        emit AdminOffered(to);
    }

    /// @notice Takes the office that was offered to the sender.
    function acceptAdmin() external {
        if (msg.sender != pendingAdmin) revert NotAdmin();
        admin = msg.sender;
        pendingAdmin = address(0);
        emit AdminChanged(msg.sender);
    }
}
