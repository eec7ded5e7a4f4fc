-- CreateEnum
CREATE TYPE "DocumentState" AS ENUM ('DRAFT', 'published', 'ARCHIVED');

-- CreateTable
CREATE TABLE "Counter" (
    "name" TEXT NOT NULL,
    "value" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "Counter_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "page_views" (
    "path" TEXT NOT NULL,
    "views" BIGINT NOT NULL DEFAULT 0,
    "bytes" BIGINT NOT NULL DEFAULT 0,
    "last_status" INTEGER,
    "last_seen" TIMESTAMP(3),
    "updated_at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "page_views_pkey" PRIMARY KEY ("path")
);

-- CreateTable
CREATE TABLE "Reading" (
    "device" TEXT NOT NULL,
    "metric" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "samples" INTEGER NOT NULL DEFAULT 0,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Reading_pkey" PRIMARY KEY ("device","metric")
);

-- CreateTable
CREATE TABLE "players" (
    "player_id" UUID NOT NULL,
    "display_name" VARCHAR(40) NOT NULL,
    "score" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "players_pkey" PRIMARY KEY ("player_id")
);

-- CreateTable
CREATE TABLE "Document" (
    "id" TEXT NOT NULL,
    "title" VARCHAR(80) NOT NULL,
    "body" JSONB NOT NULL,
    "meta" JSONB,
    "tags" TEXT[],
    "state" "DocumentState" NOT NULL DEFAULT 'DRAFT',
    "price" DECIMAL(12,2) NOT NULL DEFAULT 0,
    "blob" BYTEA,
    "note" TEXT,
    "rank" INTEGER,
    "flag" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Document_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "write_behind_ledger" (
    "shard" TEXT NOT NULL,
    "batch" TEXT NOT NULL,
    "recent" TEXT[] DEFAULT ARRAY[]::TEXT[],

    CONSTRAINT "write_behind_ledger_pkey" PRIMARY KEY ("shard")
);
