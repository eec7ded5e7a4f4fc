-- CreateTable
CREATE TABLE "PageView" (
    "path" TEXT NOT NULL,
    "views" BIGINT NOT NULL DEFAULT 0,
    "lastViewedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "PageView_pkey" PRIMARY KEY ("path")
);

-- CreateTable
CREATE TABLE "Like" (
    "postId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Like_pkey" PRIMARY KEY ("postId","userId")
);

-- CreateTable
CREATE TABLE "Score" (
    "season" TEXT NOT NULL,
    "player" TEXT NOT NULL,
    "best" INTEGER NOT NULL,
    "total" BIGINT NOT NULL,
    "games" INTEGER NOT NULL,

    CONSTRAINT "Score_pkey" PRIMARY KEY ("season","player")
);

-- CreateTable
CREATE TABLE "SensorHour" (
    "sensor" TEXT NOT NULL,
    "hour" TIMESTAMP(3) NOT NULL,
    "samples" INTEGER NOT NULL,
    "sum" BIGINT NOT NULL,
    "lowest" INTEGER NOT NULL,
    "highest" INTEGER NOT NULL,
    "lastAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "SensorHour_pkey" PRIMARY KEY ("sensor","hour")
);

-- CreateTable
CREATE TABLE "Presence" (
    "userId" TEXT NOT NULL,
    "lastSeenAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Presence_pkey" PRIMARY KEY ("userId")
);

-- CreateTable
CREATE TABLE "Draft" (
    "documentId" TEXT NOT NULL,
    "authorId" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "savedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Draft_pkey" PRIMARY KEY ("documentId","authorId")
);

-- CreateTable
CREATE TABLE "Usage" (
    "userId" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "calls" INTEGER NOT NULL,
    "inputTokens" BIGINT NOT NULL,
    "outputTokens" BIGINT NOT NULL,
    "nanoDollars" BIGINT NOT NULL,

    CONSTRAINT "Usage_pkey" PRIMARY KEY ("userId","model","day")
);

-- CreateTable
CREATE TABLE "Item" (
    "sku" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "price" DECIMAL(12,2) NOT NULL,
    "stock" INTEGER NOT NULL,

    CONSTRAINT "Item_pkey" PRIMARY KEY ("sku")
);

-- CreateTable
CREATE TABLE "Reservation" (
    "orderId" TEXT NOT NULL,
    "sku" TEXT NOT NULL,
    "quantity" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Reservation_pkey" PRIMARY KEY ("orderId","sku")
);

-- CreateTable
CREATE TABLE "write_behind_ledger" (
    "shard" TEXT NOT NULL,
    "batch" TEXT NOT NULL,
    "recent" TEXT[] DEFAULT ARRAY[]::TEXT[],

    CONSTRAINT "write_behind_ledger_pkey" PRIMARY KEY ("shard")
);

-- CreateIndex
CREATE INDEX "Score_season_best_player_idx" ON "Score"("season", "best" DESC, "player");

-- CreateIndex
CREATE INDEX "Presence_lastSeenAt_idx" ON "Presence"("lastSeenAt");

-- AddForeignKey
ALTER TABLE "Reservation" ADD CONSTRAINT "Reservation_sku_fkey" FOREIGN KEY ("sku") REFERENCES "Item"("sku") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Added by hand: whatever forgets to look, the stock is never negative.
ALTER TABLE "Item" ADD CONSTRAINT "Item_stock_check" CHECK ("stock" >= 0);
